/**
 * Operations that were made and not driven: `sleep(1)` on a line of its own, without `yield*`.
 *
 * Each scheduler keeps the operations of its tasks from the moment in which they are made until
 * they are driven or discarded. Nearly all are driven at once, as in `yield* timeout(5, sleep(1))`,
 * so the last two are in slots, which cost a few writes. A run reports the rest at its end. An
 * operation of a task that has failed or was cancelled is not reported: it may be a consequence.
 * An operation that was spawned belongs to the new task, which will drive it or has been cancelled.
 *
 * The line that made an operation is recorded for the first operations of a thread, for some more
 * after each report, and always in debug mode, because it takes more than a microsecond.
 */

import { classNameOf } from '../../support/checks.ts';
import { current } from '../current.ts';
import { debug, runtimeDirectory, userLines } from '../debug.ts';
import { UsageError } from '../errors.ts';
import type { TaskImpl } from './task.ts';

/** Operations of a thread whose lines are recorded without debug mode. */
const FIRST_LINES = 1000;
const MORE_LINES = 100;
/** Operations that a scheduler keeps. Those of finished tasks are then reported. */
const MAX_KEPT = 256;
/** Operations that a report lists. */
const MAX_LISTED = 10;
/** Stack frames between an operation and the line of the program that made it. */
const STACK_FRAMES = 12;

let linesLeft = FIRST_LINES;

/** Operations that were driven or discarded outside the run whose tasks made them. */
const drivenElsewhere = new WeakSet<object>();

interface Made {
  maker: TaskImpl;
  readonly stack: Error | null;
}

/** One of the last two operations; null: it was driven. */
class Slot {
  operation: object | null = null;
  maker: TaskImpl | null = null;
  stack: Error | null = null;
}

/** The operations that the tasks of one scheduler have made and not driven yet. */
export class UndrivenOperations {
  private newer = new Slot();
  private older = new Slot();
  private readonly others = new Map<object, Made>();
  /** Operations that were not kept, for lack of room. */
  private dropped = 0;
  private readonly warn: (error: UsageError) => void;

  constructor(warn: (error: UsageError) => void) {
    this.warn = warn;
  }

  made(operation: object, maker: TaskImpl): void {
    const slot = this.older;
    if (slot.operation !== null) this.keep(slot);
    this.older = this.newer;
    this.newer = slot;
    slot.operation = operation;
    slot.maker = maker;
    slot.stack = linesLeft > 0 || debug.tracker !== null ? recordStack() : null;
  }

  driven(operation: object): void {
    if (this.newer.operation === operation) this.newer.operation = null;
    else if (this.older.operation === operation) this.older.operation = null;
    else if (!this.others.delete(operation) && this.dropped === 0) drivenElsewhere.add(operation);
  }

  /** `task` was started and will drive `operation`. */
  spawned(operation: object, task: TaskImpl): void {
    if (this.newer.operation === operation) this.newer.maker = task;
    else if (this.older.operation === operation) this.older.maker = task;
    else {
      const made = this.others.get(operation);
      if (made !== undefined) made.maker = task;
    }
  }

  /** Moves the operation of a slot to the map. */
  private keep(slot: Slot): void {
    const { operation, maker, stack } = slot;
    slot.operation = null;
    if (operation === null) return;
    if (this.others.size === MAX_KEPT) {
      if (this.dropped++ % MAX_KEPT === 0) this.reportFinished();
      if (this.others.size === MAX_KEPT) return;
    }
    this.others.set(operation, { maker: maker as TaskImpl, stack });
  }

  /** The place at which `operation` was made, for its error. Forgets the operation. */
  take(operation: object): string {
    const slot = [this.newer, this.older].find((each) => each.operation === operation);
    const { stack } = slot ?? this.others.get(operation) ?? { stack: null };
    this.driven(operation);
    linesLeft = Math.max(linesLeft, MORE_LINES);
    return placeOf(stack).line;
  }

  /** The run has ended: reports what its tasks have left undriven. */
  end(): void {
    this.keep(this.older);
    this.keep(this.newer);
    this.reportFinished();
    this.others.clear();
  }

  /** Reports and forgets the operations of tasks that have ended without an error. */
  private reportFinished(): void {
    const finished = [...this.others].filter(([, { maker }]) => maker.state === 'done');
    for (const [operation] of finished) this.others.delete(operation);
    const left = finished.filter(([operation]) => !drivenElsewhere.has(operation));
    if (left.length === 0) return;
    linesLeft = Math.max(linesLeft, MORE_LINES);
    const texts = left.slice(0, MAX_LISTED).map(([operation, made]) => describe(operation, made));
    if (left.length > MAX_LISTED) texts.push(`and ${left.length - MAX_LISTED} more`);
    this.warn(new UsageError('ERR_NOT_DRIVEN', texts.join('\n')));
  }
}

/** A task has made `operation`. */
export function noteMade(operation: object): void {
  const task = current.task;
  if (task !== null) task.scheduler.undriven.made(operation, task);
}

/** The operation was driven or discarded. */
export function noteDriven(operation: object): void {
  const task = current.task;
  if (task === null) drivenElsewhere.add(operation);
  else task.scheduler.undriven.driven(operation);
}

/** The error for `operation`, whose call in the source is `call`. */
export function notDriven(operation: object, call: string): UsageError {
  const line = current.task?.scheduler.undriven.take(operation) ?? '';
  return new UsageError('ERR_NOT_DRIVEN', textOf(call, line));
}

function describe(operation: object, { maker, stack }: Made): string {
  const { call, line } = placeOf(stack);
  const { call: ownCall } = operation as { call?: string };
  return `Task '${maker.name}': ${textOf(ownCall ?? (call || classNameOf(operation)), line)}`;
}

function textOf(call: string, line: string): string {
  const where = line === '' ? ' (CORONET_DEBUG=1 shows the line)' : ` at ${line}`;
  return (
    `\`${call}\` was made and never driven: a \`yield*\` is missing${where}\n` +
    `  wrong:  ${call}\n  right:  yield* ${call}`
  );
}

function recordStack(): Error {
  if (linesLeft > 0) linesLeft--;
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_FRAMES;
  const stack = new Error('made');
  Error.stackTraceLimit = limit;
  return stack;
}

/** The line of the program in `stack`, and the call of this runtime that it makes. */
function placeOf(stack: Error | null): { readonly call: string; readonly line: string } {
  const text = String(stack?.stack ?? '');
  // The stack of a bundle does not show which lines are those of the program.
  const line = userLines(text, runtimeDirectory === undefined ? STACK_FRAMES : 1);
  const lines = text.split('\n').map((each) => each.trim().replace(/^at /, ''));
  const callee = line === '' ? '' : (lines[lines.indexOf(line) - 1] ?? '');
  const name = /^(?:new )?([\w$.]+) \(/.exec(callee)?.[1] ?? '';
  const call = name.replace(/^(Module|Object)\./, '').replace('Impl.', '.');
  return { call: call === '' ? '' : `${call}(…)`, line };
}
