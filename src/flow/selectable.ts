/**
 * The protocol between `select` and the waits that it chooses from.
 *
 * An operation that can be an arm has a method `asChoice()`. The operations of this room have it
 * from Waiting; those of other rooms implement it, and `TryChoice` does the work for what tries and
 * waits for readiness, such as a receive on a socket.
 */
import { BusyError } from '../kernel/errors.ts';
import type { Operation } from '../kernel/operation.ts';
import type { Pollable, Readiness, ReadinessWaiter } from '../kernel/readiness.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import type { Place } from './place.ts';

/** The answer of an attempt: it would have to wait. */
export const WOULD_WAIT: unique symbol = Symbol('would wait');

/** An operation that `select` takes as an arm. */
export interface Selectable<T> extends Operation<T> {
  /** Takes the operation: from now on it counts as driven. Throws ERR_ALREADY_DRIVEN. */
  asChoice(): Choice<T>;
}

/** An arm of a select that waits, as a choice sees it. */
export interface ArmPlace extends Place, ReadinessWaiter, TimerTarget {}

/** One of the waits that a select chooses from. */
export interface Choice<T> {
  /** True if the wait may be ended from outside the program; the same answer every time. */
  readonly outside: boolean;
  /** What `task.waitingOn` shows. */
  describe(): string;
  /** One try, in the step of the selecting task. Throws if the wait has failed. */
  attempt(): T | typeof WOULD_WAIT;
  /**
   * Files `arm` where it will be granted: with `wake(value)` if the wait is over then, with
   * `grant()` if it is worth another attempt, with `fail(error)`. May do so at once.
   */
  enlist(arm: ArmPlace): void;
  /**
   * The task has paused since `enlist`: grants whoever can be granted, in the order of the line.
   */
  settle(): void;
  /** The select is over: leaves no trace of `arm`. Called once, whether or not it was enlisted. */
  leave(arm: ArmPlace): void;
}

/** True for what `select` can take as an arm. */
export function isSelectable(value: unknown): value is Selectable<unknown> {
  return typeof (value as Partial<Selectable<unknown>> | null | undefined)?.asChoice === 'function';
}

/** A choice that a notice of readiness allows to try: "readable", a receive, an accept. */
export abstract class ReadinessChoice<T> implements Choice<T> {
  protected readonly readiness: Readiness;
  readonly #direction: 'recv' | 'send';

  constructor(resource: Pollable, direction: 'recv' | 'send') {
    this.readiness = resource.readiness;
    this.#direction = direction;
  }

  get outside(): boolean {
    return true;
  }

  describe(): string {
    return `${this.#direction} ${this.readiness.describe()}`;
  }

  abstract attempt(): T | typeof WOULD_WAIT;

  /** True: no notice need come, a try is worth it now. */
  protected get ready(): boolean {
    return this.#direction === 'recv' ? this.readiness.canRecv : this.readiness.canSend;
  }

  enlist(arm: ArmPlace): void {
    const { readiness } = this;
    const waiter = this.#direction === 'recv' ? readiness.recvWaiter : readiness.sendWaiter;
    if (waiter !== null && waiter !== arm) throw busy(this.describe());
    if (this.ready) return arm.grant();
    if (this.#direction === 'recv') readiness.recvWaiter = arm;
    else readiness.sendWaiter = arm;
  }

  /** Nobody else can stand in line here. */
  settle(): void {}

  leave(arm: ArmPlace): void {
    const { readiness } = this;
    if (readiness.recvWaiter === arm) readiness.recvWaiter = null;
    if (readiness.sendWaiter === arm) readiness.sendWaiter = null;
  }
}

/** The choice of an operation that tries, and waits for readiness when the try would block. */
export class TryChoice<T> extends ReadinessChoice<T> {
  readonly #try: () => T | undefined;
  readonly #left: () => void;

  /** `attempt` gives `undefined` when it would block; `left` is called once the select is over. */
  constructor(
    resource: Pollable,
    direction: 'recv' | 'send',
    attempt: () => T | undefined,
    left: () => void,
  ) {
    super(resource, direction);
    this.#try = attempt;
    this.#left = left;
  }

  attempt(): T | typeof WOULD_WAIT {
    const value = this.#try();
    return value === undefined ? WOULD_WAIT : value;
  }

  override leave(arm: ArmPlace): void {
    super.leave(arm);
    this.#left();
  }
}

function busy(what: string): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `A select cannot wait for '${what}': another task waits there already. One task at a time ` +
      'may wait for each direction.',
  );
}
