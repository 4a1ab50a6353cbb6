/**
 * Cases: the interface between `select` (in flow/) and the operations that it chooses from.
 *
 * An operation that can be a case of a select has a method `asCase()`. The kernel's own waits and
 * its LatchWait (waits.ts) have it, and so have the operations that wait in a queue (flow/). An
 * operation that attempts and waits for readiness, such as a receive on a socket, implements it
 * with an `AttemptCase`.
 */

import { BusyError } from './errors.ts';
import type { Operation } from './operation.ts';
import { Parking } from './parking.ts';
import type { Pollable, Readiness, ReadinessWaiter } from './readiness.ts';
import type { TaskImpl } from './task/task.ts';
import type { TimerTarget } from './timers.ts';

/** Returned by an attempt that would have to wait. */
export const WOULD_WAIT: unique symbol = Symbol('would wait');

/**
 * An operation that `select` accepts as a case: a wait that has no effect unless it is carried out.
 * Unlike other operations, it can be left at any moment without losing anything.
 */
export interface Selectable<T> extends Operation<T> {
  /** Takes the operation, which counts as driven from now on. Throws ERR_ALREADY_DRIVEN. */
  asCase(): Case<T>;
}

/** An entry of a wait queue: a waiting operation, or a pending case of a select. */
export abstract class Waiter extends Parking {
  /** The waiting task. */
  abstract readonly task: TaskImpl;
  /** The request that is carried out before the waiter is woken. */
  abstract readonly request: Case<unknown>;

  /** True if the request must not be carried out any more. */
  get stale(): boolean {
    return false;
  }
}

/** A pending case of a select: it waits in a queue, for readiness, or for a timer. */
export interface CaseWaiter extends Waiter, ReadinessWaiter, TimerTarget {}

/** One of the operations that a select chooses from. */
export interface Case<T> {
  /** True if an event outside the program may end the wait. The value does not change. */
  readonly external: boolean;
  /** True if an event of the real process ends the wait; see ParkingOptions. Default: false. */
  readonly realTime?: boolean;
  /** The text for `task.waitingOn`. */
  describe(): string;
  /** See Parking.resources. @internal */
  resources?(): readonly object[];
  /**
   * Attempts the operation once, in a step of the selecting task. An attempt that would wait has no
   * effect. Throws if the operation has failed.
   */
  attempt(): T | typeof WOULD_WAIT;
  /**
   * Registers `waiter`, which is later resumed with `wake(value)` if the operation has been carried
   * out, with `notify()` if an attempt may succeed, or with `fail(error)`. This may happen within
   * the call.
   */
  enlist(waiter: CaseWaiter): void;
  /** The select has ended: unregisters `waiter`. Called once, also if it was not registered. */
  leave(waiter: CaseWaiter): void;
}

/** True for an operation with `asCase()`. */
export function isSelectable(value: unknown): value is Selectable<unknown> {
  return typeof (value as Partial<Selectable<unknown>> | null | undefined)?.asCase === 'function';
}

/** A case that may succeed once a resource is ready: "readable", a receive, an accept. */
export abstract class ReadinessCase<T> implements Case<T> {
  protected readonly readiness: Readiness;
  protected direction: 'recv' | 'send';

  constructor(resource: Pollable, direction: 'recv' | 'send') {
    this.readiness = resource.readiness;
    this.direction = direction;
  }

  get external(): boolean {
    return true;
  }

  describe(): string {
    return `${this.direction} ${this.readiness.describe()}`;
  }

  resources(): readonly object[] {
    return [this.readiness];
  }

  abstract attempt(): T | typeof WOULD_WAIT;

  /** True if the resource is ready, so that an attempt may succeed now. */
  protected get ready(): boolean {
    return this.direction === 'recv' ? this.readiness.canRecv : this.readiness.canSend;
  }

  enlist(waiter: CaseWaiter): void {
    const { readiness } = this;
    const other = this.direction === 'recv' ? readiness.recvWaiter : readiness.sendWaiter;
    if (other !== null && other !== waiter) throw busyError(this.describe());
    if (this.ready) return waiter.notify();
    if (this.direction === 'recv') readiness.recvWaiter = waiter;
    else readiness.sendWaiter = waiter;
  }

  leave(waiter: CaseWaiter): void {
    const { readiness } = this;
    if (readiness.recvWaiter === waiter) readiness.recvWaiter = null;
    if (readiness.sendWaiter === waiter) readiness.sendWaiter = null;
  }
}

/** The case of an operation that attempts, and waits for readiness if the attempt would block. */
export class AttemptCase<T> extends ReadinessCase<T> {
  readonly #attempt: () => T | undefined;
  readonly #onLeave: () => void;

  /**
   * `attempt` returns `undefined` if it would block. `onLeave` is called when the select has ended.
   */
  constructor(
    resource: Pollable,
    direction: 'recv' | 'send',
    attempt: () => T | undefined,
    onLeave: () => void,
  ) {
    super(resource, direction);
    this.#attempt = attempt;
    this.#onLeave = onLeave;
  }

  attempt(): T | typeof WOULD_WAIT {
    const value = this.#attempt();
    return value === undefined ? WOULD_WAIT : value;
  }

  override leave(waiter: CaseWaiter): void {
    super.leave(waiter);
    this.#onLeave();
  }
}

function busyError(what: string): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `A select cannot wait for '${what}': another task already waits for it. One task at a time ` +
      'may wait for each direction.',
  );
}
