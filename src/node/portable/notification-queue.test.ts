import { setImmediate as round } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Readiness } from '../../kernel/readiness.ts';
import { NotificationQueue } from './notification-queue.ts';

/** Counts how often the scheduler is entered. */
function observed(): { queue: NotificationQueue; entries: () => number } {
  let entries = 0;
  const queue = new NotificationQueue({
    deliver(deliver) {
      entries++;
      deliver();
    },
  });
  return { queue, entries: () => entries };
}

/** Resources with a waiter for 'recv' each; `woken` counts the woken waiters. */
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

async function roundWithOne(queue: NotificationQueue): Promise<void> {
  const { all } = waiting(1);
  queue.readable(all[0] as Readiness);
  await round();
}

describe('a notification queue', () => {
  it('sets the flag at once and does not enter the scheduler without a waiter', async () => {
    const { queue, entries } = observed();
    const readiness = new Readiness();
    queue.readable(readiness);
    queue.writable(readiness);
    expect([readiness.canRecv, readiness.canSend]).toEqual([true, true]);
    await round();
    expect(entries()).toBe(0);
  });

  it('delivers the notifications of one round of the event loop together', async () => {
    const { queue, entries } = observed();
    const { all, woken } = waiting(7);
    for (const readiness of all) queue.readable(readiness);
    expect(woken()).toBe(0);
    await round();
    expect([woken(), entries()]).toEqual([7, 1]);
  });

  it('delivers 16 notifications at a time, the last ones at the end of the round', async () => {
    const { queue, entries } = observed();
    const { all, woken } = waiting(33);
    for (const readiness of all) queue.readable(readiness);
    expect([woken(), entries()]).toEqual([32, 2]);
    await round();
    expect([woken(), entries()]).toEqual([33, 3]);
    queue.readable(waiting(1).all[0] as Readiness);
    expect(entries()).toBe(3); // The last one of a large round was not alone in it.
    await round();
    expect(entries()).toBe(4);
  });

  it('delivers most single notifications directly after a while', async () => {
    const { queue, entries } = observed();
    let direct = 0;
    for (let i = 0; i < 200; i++) {
      const { all, woken } = waiting(1);
      queue.readable(all[0] as Readiness);
      direct += woken();
      await round();
    }
    expect(entries()).toBe(200);
    expect(direct).toBeGreaterThan(180);
  });

  it('gathers notifications again after a round with more than one', async () => {
    const { queue } = observed();
    await roundWithOne(queue);
    await roundWithOne(queue);
    const first = waiting(3);
    for (const readiness of first.all) queue.readable(readiness);
    expect(first.woken()).toBe(0);
    await round();
    const second = waiting(3);
    for (const readiness of second.all) queue.readable(readiness);
    expect([first.woken(), second.woken()]).toEqual([3, 0]);
    await round();
    expect(second.woken()).toBe(3);
  });

  it('does not wake a waiter whose wait has ended meanwhile', async () => {
    const { queue } = observed();
    const { all, woken } = waiting(2);
    for (const readiness of all) queue.readable(readiness);
    (all[0] as Readiness).rejectWaiters(new Error('closed'));
    await round();
    expect(woken()).toBe(1);
  });
});
