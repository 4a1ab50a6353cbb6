/** What a resource needs of a scheduler: a clock, which a test moves, and timers. */
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

  /** Fires what is due on the way there, each at its time. */
  advanceTo(at: number): void {
    while (this.timers.nextAt <= at) this.fireAt(this.timers.nextAt);
    this.now = at;
  }

  /** It is `at` now, and the next timer that is due fires, however late that is. */
  fireAt(at: number): void {
    this.now = at;
    const due = this.timers.takeDue(at);
    due?.target.expire(due);
  }
}
