/**
 * The kernel's own waits as arms of a select: sleep, sleepUntil, sleepForever, readable, writable.
 */
import { currentRecord } from '../kernel/current.ts';
import type { Wait } from '../kernel/operation.ts';
import { Step } from '../kernel/operation.ts';
import type { Parking } from '../kernel/parking.ts';
import { Timer } from '../kernel/timers.ts';
import type { ArmPlace, Choice } from './selectable.ts';
import { ReadinessChoice, WOULD_WAIT } from './selectable.ts';

/**
 * True for an operation of the kernel; `choiceOfStep` tells whether it is one that can be chosen.
 */
export function isStep(value: unknown): value is Step<unknown> {
  return value instanceof Step;
}

/**
 * The choice that `step` stands for, or null if it is more than one wait. Takes the operation: what
 * it would have yielded first is what is waited for.
 */
export function choiceOfStep(step: Step<unknown>): Choice<unknown> | null {
  const first = step[Symbol.iterator]().next();
  const choice = first.done === true ? null : choiceOfWait(first.value);
  if (choice === null) step.return();
  return choice;
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
      return choiceOfParking(wait[1]);
    default:
      return null;
  }
}

/** Sleeping for ever is the one parking that nobody can wake; any other is taken back. */
function choiceOfParking(parking: Parking): Choice<unknown> | null {
  const forever = parking.outside && parking.queue === null;
  parking.withdraw();
  return forever ? new NeverChoice() : null;
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
