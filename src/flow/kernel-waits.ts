/**
 * The kernel's own waits as arms of a select: sleep, sleepUntil, sleepForever, readable, writable.
 */
import { currentRecord } from '../kernel/current.ts';
import { Timer } from '../kernel/timers.ts';
import { SoleWait } from '../kernel/waits.ts';
import type { ArmPlace, Choice } from './selectable.ts';
import { ReadinessChoice, WOULD_WAIT } from './selectable.ts';

/**
 * The choice that the kernel's wait `operation` stands for, or null if it can be none. Takes it.
 */
export function choiceOfKernelWait(operation: SoleWait<unknown>): Choice<unknown> | null {
  const wait = operation.takeWait();
  switch (wait?.[0]) {
    case 'recv':
      return new ReadyChoice(wait[1], 'recv');
    case 'send':
      return new ReadyChoice(wait[1], 'send');
    case 'sleep':
      return new SleepChoice(wait[1]);
    default:
      return null;
  }
}

/** True for an operation of the kernel that waits once; `choiceOfKernelWait` tells for what. */
export function isKernelWait(operation: unknown): operation is SoleWait<unknown> {
  return operation instanceof SoleWait;
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

  /** A timer is armed, and the host knows of it. Nothing inside ends a sleep for ever. */
  get outside(): boolean {
    return this.#ms === Infinity;
  }

  describe(): string {
    return this.outside ? 'sleep forever' : `sleep ${this.#ms} ms`;
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
