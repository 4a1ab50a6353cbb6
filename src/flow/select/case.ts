/**
 * The protocol between `select` and the waits that it chooses from.
 *
 * An operation that can be an arm has a method `asChoice()`. The operations of this room have it
 * from WaitingOperation; those of other layers implement it, and `AttemptCase` does the work for
 * what tries and
 * waits for readiness, such as a receive on a socket.
 */

import { runningTask } from '../../kernel/current.ts';
import { BusyError } from '../../kernel/errors.ts';
import type { Operation } from '../../kernel/operation.ts';
import type { Pollable, Readiness, ReadinessWaiter } from '../../kernel/readiness.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import { SingleWaitOperation } from '../../kernel/waits.ts';
import type { Waiter } from '../wait-queue.ts';

/** The answer of an attempt: it would have to wait. */
export const WOULD_WAIT: unique symbol = Symbol('would wait');

/** An operation that `select` takes as an arm. */
export interface Selectable<T> extends Operation<T> {
  /** Takes the operation: from now on it counts as driven. Throws ERR_ALREADY_DRIVEN. */
  asCase(): Case<T>;
}

/** An arm of a select that waits, as a choice sees it. */
export interface CaseWaiter extends Waiter, ReadinessWaiter, TimerTarget {}

/** One of the waits that a select chooses from. */
export interface Case<T> {
  /** True if the wait may be ended from outside the program; the same answer every time. */
  readonly external: boolean;
  /** What `task.waitingOn` shows. */
  describe(): string;
  /** One try, in the step of the selecting task. Throws if the wait has failed. */
  attempt(): T | typeof WOULD_WAIT;
  /**
   * Files `arm` where it will be granted: with `wake(value)` if the wait is over then, with
   * `grant()` if it is worth another attempt, with `fail(error)`. May do so at once.
   */
  enlist(arm: CaseWaiter): void;
  /**
   * The task has paused since `enlist`: grants whoever can be granted, in the order of the line.
   */
  settle(): void;
  /** The select is over: leaves no trace of `arm`. Called once, whether or not it was enlisted. */
  leave(arm: CaseWaiter): void;
}

/** True for what `select` can take as an arm. */
export function isSelectable(value: unknown): value is Selectable<unknown> {
  return typeof (value as Partial<Selectable<unknown>> | null | undefined)?.asCase === 'function';
}

/** A choice that a notice of readiness allows to try: "readable", a receive, an accept. */
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

  /** True: no notice need come, a try is worth it now. */
  protected get ready(): boolean {
    return this.#direction === 'recv' ? this.readiness.canRecv : this.readiness.canSend;
  }

  enlist(arm: CaseWaiter): void {
    const { readiness } = this;
    const waiter = this.#direction === 'recv' ? readiness.recvWaiter : readiness.sendWaiter;
    if (waiter !== null && waiter !== arm) throw busyError(this.describe());
    if (this.ready) return arm.notify();
    if (this.#direction === 'recv') readiness.recvWaiter = arm;
    else readiness.sendWaiter = arm;
  }

  /** Nobody else can stand in line here. */
  settle(): void {}

  leave(arm: CaseWaiter): void {
    const { readiness } = this;
    if (readiness.recvWaiter === arm) readiness.recvWaiter = null;
    if (readiness.sendWaiter === arm) readiness.sendWaiter = null;
  }
}

/** The choice of an operation that tries, and waits for readiness when the try would block. */
export class AttemptCase<T> extends ReadinessCase<T> {
  readonly #attempt: () => T | undefined;
  readonly #onLeave: () => void;

  /** `attempt` gives `undefined` when it would block; `left` is called once the select is over. */
  constructor(
    resource: Pollable,
    direction: 'recv' | 'send',
    attempt: () => T | undefined,
    left: () => void,
  ) {
    super(resource, direction);
    this.#attempt = attempt;
    this.#onLeave = left;
  }

  attempt(): T | typeof WOULD_WAIT {
    const value = this.#attempt();
    return value === undefined ? WOULD_WAIT : value;
  }

  override leave(arm: CaseWaiter): void {
    super.leave(arm);
    this.#onLeave();
  }
}

function busyError(what: string): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `A select cannot wait for '${what}': another task waits there already. One task at a time ` +
      'may wait for each direction.',
  );
}

/**
 * The kernel's own waits as arms of a select: sleep, sleepUntil, sleepForever, readable, writable.
 */

/**
 * The choice that the kernel's wait `operation` stands for, or null if it can be none. Takes it.
 */
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

/** True for an operation of the kernel that waits once; `caseOfKernelWait` tells for what. */
export function isKernelWait(operation: unknown): operation is SingleWaitOperation<unknown> {
  return operation instanceof SingleWaitOperation;
}

/** "Readable" or "writable": true as soon as a try is worth it. */
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

  /** A timer is armed, and the host knows of it. Nothing inside ends a sleep for ever. */
  get external(): boolean {
    return this.#ms === Infinity;
  }

  describe(): string {
    return this.external ? 'sleep forever' : `sleep ${this.#ms} ms`;
  }

  attempt(): typeof WOULD_WAIT {
    return WOULD_WAIT;
  }

  enlist(arm: CaseWaiter): void {
    this.#timer = new Timer(arm);
    this.#scheduler.arm(this.#timer, this.#scheduler.now() + this.#ms);
  }

  settle(): void {}

  leave(): void {
    if (this.#timer !== null) this.#scheduler.disarm(this.#timer);
  }
}
