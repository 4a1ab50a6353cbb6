import { setImmediate as round } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Readiness } from '../../kernel/readiness.ts';
import { NotificationQueue } from './notification-queue.ts';

/** Counts how often the scheduler is entered. */
function observed(): { notices: NotificationQueue; entrances: () => number } {
  let entrances = 0;
  const notices = new NotificationQueue({
    deliver(deliver) {
      entrances++;
      deliver();
    },
  });
  return { notices, entrances: () => entrances };
}

/** Readinesses of which each has a waiter for 'recv'; `woken` counts. */
function waiting(count: number): { all: Readiness[]; woken: () => number } {
  let woken = 0;
  const waiter = { notify: () => woken++, reject() {} };
  const all = Array.from({ length: count }, () => {
    const readiness = new Readiness();
    readiness.recvWaiter = waiter;
    return readiness;
  });
  return { all, woken: () => woken };
}

async function lonelyRound(notices: NotificationQueue): Promise<void> {
  const { all } = waiting(1);
  notices.readable(all[0] as Readiness);
  await round();
}

describe('notices', () => {
  it('set the flag at once and enter nothing where nobody waits', async () => {
    const { notices, entrances } = observed();
    const readiness = new Readiness();
    notices.readable(readiness);
    notices.writable(readiness);
    expect([readiness.canRecv, readiness.canSend]).toEqual([true, true]);
    await round();
    expect(entrances()).toBe(0);
  });

  it('of one round of the event loop are delivered in one entrance', async () => {
    const { notices, entrances } = observed();
    const { all, woken } = waiting(50);
    for (const readiness of all) notices.readable(readiness);
    expect(woken()).toBe(0);
    await round();
    expect([woken(), entrances()]).toEqual([50, 1]);
  });

  it('that come alone are delivered on the spot after a while, but for a few', async () => {
    const { notices, entrances } = observed();
    let onTheSpot = 0;
    for (let i = 0; i < 200; i++) {
      const { all, woken } = waiting(1);
      notices.readable(all[0] as Readiness);
      onTheSpot += woken();
      await round();
    }
    expect(entrances()).toBe(200);
    expect(onTheSpot).toBeGreaterThan(180);
  });

  it('are gathered again as soon as a round brings more than one', async () => {
    const { notices } = observed();
    await lonelyRound(notices);
    await lonelyRound(notices);
    const first = waiting(3);
    for (const readiness of first.all) notices.readable(readiness);
    expect(first.woken()).toBe(0);
    await round();
    const second = waiting(3);
    for (const readiness of second.all) notices.readable(readiness);
    expect([first.woken(), second.woken()]).toEqual([3, 0]);
    await round();
    expect(second.woken()).toBe(3);
  });

  it('wake nobody whose wait has ended meanwhile', async () => {
    const { notices } = observed();
    const { all, woken } = waiting(2);
    for (const readiness of all) notices.readable(readiness);
    (all[0] as Readiness).rejectWaiters(new Error('closed'));
    await round();
    expect(woken()).toBe(1);
  });
});
