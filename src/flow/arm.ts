/** The arm of a select, and what it needs of the select. */
import type { TaskRecord } from '../kernel/task.ts';
import { Place } from './place.ts';
import type { ArmPlace, Choice } from './selectable.ts';

/** The select as its arms see it. */
export interface Selecting {
  readonly task: TaskRecord;
  /** True: its arms can not be granted any more. */
  readonly lapsed: boolean;
  /** Takes this arm and no other. False if something else was decided before. */
  decide(outcome: unknown, failed: boolean): boolean;
  /** An arm is worth a try, which only the selecting task can make. */
  rouse(): void;
}

/** An arm of a select that waits: it stands in a line as any other place does. */
export class Arm extends Place implements ArmPlace {
  readonly key: string;
  readonly request: Choice<unknown>;
  readonly #select: Selecting;
  /** True: the selecting task has to try it. */
  flagged = false;
  #left = false;

  constructor(select: Selecting, key: string, request: Choice<unknown>) {
    super();
    this.#select = select;
    this.key = key;
    this.request = request;
  }

  get task(): TaskRecord {
    return this.#select.task;
  }

  get lapsed(): boolean {
    return this.#select.lapsed;
  }

  override wake(value?: unknown): boolean {
    return this.#select.decide({ key: this.key, value }, false);
  }

  override fail(error: unknown): boolean {
    return this.#select.decide(error, true);
  }

  /** The resource is ready. */
  grant(): void {
    this.flagged = true;
    this.#select.rouse();
  }

  /** The resource was closed. */
  refuse(error: unknown): void {
    this.fail(error);
  }

  /** The timer has fired. */
  expire(): void {
    this.wake();
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.request.leave(this);
  }
}
