/**
 * The kernel's own waits as arms of a select: sleep, sleepUntil, sleepForever, readable, writable.
 */
import { currentRecord } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Step } from '../kernel/operation.ts';
import { Timer } from '../kernel/timers.ts';
import { sleep, sleepForever, sleepUntil } from '../kernel/waits.ts';
import type { ArmPlace, Choice } from './selectable.ts';
import { ReadinessChoice, WOULD_WAIT } from './selectable.ts';

/** The classes of the operations that are one wait and nothing else. */
const soleWaits: ReadonlySet<unknown> = new Set([classOf(sleep(0)), classOf(sleepUntil(0))]);

/** The class of the parking that nobody ever wakes. */
const Forever: unknown = classOfParking(sleepForever());

/** True for an operation of the kernel that waits once; `choiceOfKernelWait` tells for what. */
export function isKernelWait(operation: unknown): operation is Step<unknown> {
  return operation instanceof Step && soleWaits.has(operation.constructor);
}

/** The choice that `operation` stands for, or null if it can be none. Takes the operation. */
export function choiceOfKernelWait(operation: Step<unknown>): Choice<unknown> | null {
  const first = operation[Symbol.iterator]().next();
  return first.done === true ? null : choiceOfWait(first.value);
}

function choiceOfWait(wait: Wait): Choice<unknown> | null {
  switch (wait?.[0]) {
    case 'recv':
      return new ReadyChoice(wait[1], 'recv');
    case 'send':
      return new ReadyChoice(wait[1], 'send');
    case 'sleep':
      return new SleepChoice(wait[1]);
    case 'park':
      return wait[1].constructor === Forever ? new NeverChoice() : null;
    default:
      return null;
  }
}

function classOf(operation: Operation<unknown>): unknown {
  (operation as Step<unknown>).return();
  return operation.constructor;
}

function classOfParking(operation: Operation<unknown>): unknown {
  const wait: Wait = operation[Symbol.iterator]().next().value as Wait;
  return wait?.[0] === 'park' ? wait[1].constructor : undefined;
}

/** "Readable" or "writable": true as soon as a try is worth it. */
class ReadyChoice extends ReadinessChoice<void> {
  attempt(): undefined | typeof WOULD_WAIT {
    return this.ready ? undefined : WOULD_WAIT;
  }
}

class SleepChoice implements Choice<void> {
  readonly #ms: number;
  readonly #scheduler = currentRecord().scheduler;
  #timer: Timer | null = null;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** A timer is armed; the host knows of it. */
  get outside(): boolean {
    return false;
  }

  describe(): string {
    return `sleep ${this.#ms} ms`;
  }

  attempt(): typeof WOULD_WAIT {
    return WOULD_WAIT;
  }

  enlist(arm: ArmPlace): void {
    this.#timer = new Timer(arm);
    this.#scheduler.arm(this.#timer, this.#scheduler.now() + this.#ms);
  }

  settle(): void {}

  leave(): void {
    if (this.#timer !== null) this.#scheduler.disarm(this.#timer);
  }
}

class NeverChoice implements Choice<never> {
  get outside(): boolean {
    return true;
  }

  describe(): string {
    return 'sleep forever';
  }

  attempt(): typeof WOULD_WAIT {
    return WOULD_WAIT;
  }

  enlist(): void {}

  settle(): void {}

  leave(): void {}
}
