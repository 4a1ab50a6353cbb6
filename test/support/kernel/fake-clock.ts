/** A scheduler's clock and timers, for tests of resources. The test sets the time. */
import type { Scheduler } from '../../../src/kernel/scheduler.ts';
import type { Timer } from '../../../src/kernel/timers.ts';
import { Timers } from '../../../src/kernel/timers.ts';

export class FakeClock {
  now = 0;
  readonly timers: Timers = new Timers();
  readonly scheduler: Scheduler = {
    now: () => this.now,
    arm: (timer: Timer, at: number) => this.timers.arm(timer, at),
    disarm: (timer: Timer) => this.timers.disarm(timer),
  } as unknown as Scheduler;

  /** Advances to `at` and fires the timers in between, each at its time. */
  advanceTo(at: number): void {
    while (this.timers.nextAt <= at) this.fireAt(this.timers.nextAt);
    this.now = at;
  }

  /** Sets the time to `at` and fires the next due timer, possibly late. */
  fireAt(at: number): void {
    this.now = at;
    const due = this.timers.takeDue(at);
    due?.target.expire(due);
  }
}
