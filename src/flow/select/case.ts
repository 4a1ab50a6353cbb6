/**
 * Cases: the interface between `select` and the operations that it chooses from.
 *
 * An operation that can be a case of a select has a method `asCase()`. Operations that wait in a
 * queue inherit it from `WaitingOperation`. Operations of other layers, such as a receive on a
 * socket, implement it with an `AttemptCase`. The kernel's own waits (sleep, sleepUntil,
 * sleepForever, readable, writable) are converted here.
 */
import { runningTask } from '../../kernel/current.ts';
import { BusyError } from '../../kernel/errors.ts';
import type { Operation } from '../../kernel/operation.ts';
import type { Pollable, Readiness, ReadinessWaiter } from '../../kernel/readiness.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import { SingleWaitOperation } from '../../kernel/waits.ts';
import type { Waiter } from '../wait-queue.ts';

/** Returned by an attempt that would have to wait. */
export const WOULD_WAIT: unique symbol = Symbol('would wait');

/** An operation that `select` accepts as a case. */
export interface Selectable<T> extends Operation<T> {
  /** Takes the operation, which counts as driven from now on. Throws ERR_ALREADY_DRIVEN. */
  asCase(): Case<T>;
}

/** A pending case of a select: it waits in a queue, for readiness, or for a timer. */
export interface CaseWaiter extends Waiter, ReadinessWaiter, TimerTarget {}

/** One of the operations that a select chooses from. */
export interface Case<T> {
  /** True if an event outside the program may end the wait. The value does not change. */
  readonly external: boolean;
  /** The text for `task.waitingOn`. */
  describe(): string;
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
  readonly #direction: 'recv' | 'send';

  constructor(resource: Pollable, direction: 'recv' | 'send') {
    this.readiness = resource.readiness;
    this.#direction = direction;
  }

  get external(): boolean {
    return true;
  }

  describe(): string {
    return `${this.#direction} ${this.readiness.describe()}`;
  }

  abstract attempt(): T | typeof WOULD_WAIT;

  /** True if the resource is ready, so that an attempt may succeed now. */
  protected get ready(): boolean {
    return this.#direction === 'recv' ? this.readiness.canRecv : this.readiness.canSend;
  }

  enlist(waiter: CaseWaiter): void {
    const { readiness } = this;
    const other = this.#direction === 'recv' ? readiness.recvWaiter : readiness.sendWaiter;
    if (other !== null && other !== waiter) throw busyError(this.describe());
    if (this.ready) return waiter.notify();
    if (this.#direction === 'recv') readiness.recvWaiter = waiter;
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

/** True for an operation of the kernel that waits once. */
export function isKernelWait(operation: unknown): operation is SingleWaitOperation<unknown> {
  return operation instanceof SingleWaitOperation;
}

/** Takes the kernel's `operation` and returns its case, or null if `select` does not accept it. */
export function caseOfKernelWait(operation: SingleWaitOperation<unknown>): Case<unknown> | null {
  const wait = operation.takeWait();
  switch (wait?.[0]) {
    case 'recv':
      return new KernelReadinessCase(wait[1], 'recv');
    case 'send':
      return new KernelReadinessCase(wait[1], 'send');
    case 'sleep':
      return new SleepCase(wait[1]);
    default:
      return null;
  }
}

class KernelReadinessCase extends ReadinessCase<void> {
  attempt(): undefined | typeof WOULD_WAIT {
    return this.ready ? undefined : WOULD_WAIT;
  }
}

class SleepCase implements Case<void> {
  readonly #ms: number;
  readonly #scheduler = runningTask().scheduler;
  #timer: Timer | null = null;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** A finite sleep ends with its timer. Only an external event can end an infinite one. */
  get external(): boolean {
    return this.#ms === Infinity;
  }

  describe(): string {
    return this.external ? 'sleep forever' : `sleep ${this.#ms} ms`;
  }

  attempt(): typeof WOULD_WAIT {
    return WOULD_WAIT;
  }

  enlist(waiter: CaseWaiter): void {
    this.#timer = new Timer(waiter);
    this.#scheduler.arm(this.#timer, this.#scheduler.now() + this.#ms);
  }

  leave(): void {
    if (this.#timer !== null) this.#scheduler.disarm(this.#timer);
  }
}
