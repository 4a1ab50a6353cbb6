/** A listener that also accepts from the queues of other workers. */
import { describe, expect, test } from 'vitest';
import { connection, FakeListener } from '../../../test/support/network/fake-handshakes.ts';
import { SharedQueuesListener } from './shared-queues.ts';

function systemErrorLike(syscall: string, code: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { syscall, code });
}

/** The queues of three workers, of which the first is this one. */
function shared(opens: (slot: number) => boolean = () => true) {
  const own = new FakeListener();
  const opened: FakeListener[] = [];
  const log: string[] = [];
  const listener = new SharedQueuesListener(own, {
    open(slot) {
      log.push(`open ${slot}`);
      if (!opens(slot)) return undefined;
      const queue = new FakeListener();
      opened.push(queue);
      return queue;
    },
    close: () => log.push('close'),
  });
  return { own, opened, log, listener };
}

describe('a listener with the queues of other workers', () => {
  test('accepts from all of them in turns', () => {
    const { own, opened, listener } = shared();
    listener.serve([1, 2]);
    const [a, b, c, d, e] = Array.from({ length: 5 }, connection);
    own.arrive(a as never, b as never, c as never);
    opened[0]?.arrive(d as never);
    opened[1]?.arrive(e as never);
    const accepted = Array.from({ length: 6 }, () => listener.tryAccept());
    expect(accepted).toEqual([a, d, e, b, c, undefined]);
    expect(listener.canRecv).toBe(false);
  });

  test('is notified of a connection in any of them', () => {
    const { own, opened, listener } = shared();
    listener.serve([1]);
    for (const queue of [own, opened[0] as FakeListener, own]) {
      expect([listener.tryAccept(), listener.canRecv]).toEqual([undefined, false]);
      const next = connection();
      queue.arrive(next);
      expect([listener.canRecv, listener.tryAccept()]).toEqual([true, next]);
    }
  });

  test('opens each queue once, and takes one connection at a time from it', () => {
    const { own, opened, log, listener } = shared();
    listener.serve([1]);
    listener.serve([1, 2]);
    listener.acceptBatch = 7;
    expect(log).toEqual(['open 1', 'open 2']);
    expect([own, ...opened].map(({ acceptBatch }) => acceptBatch)).toEqual([7, 1, 1]);
  });

  test('accepts the connections of a queue that it returns, and closes it when it is empty', () => {
    const { opened, log, listener } = shared();
    listener.serve([1]);
    const last = connection();
    opened[0]?.arrive(last);
    listener.serve([]);
    expect([listener.canRecv, opened[0]?.closed]).toEqual([true, false]);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([last, undefined]);
    expect(opened[0]?.closed).toBe(true);
    listener.serve([1]);
    expect([log, opened.length]).toEqual([['open 1', 'open 1'], 2]);
  });

  test('continues without a queue that it cannot open', () => {
    const { own, opened, listener } = shared((slot) => slot !== 1);
    listener.serve([1, 2]);
    opened[0]?.arrive(systemErrorLike('listen', 'EINVAL'));
    const next = connection();
    own.arrive(next);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([next, undefined]);
    expect(opened[0]?.closed).toBe(true);
  });

  test('reports a shortage of descriptors in any of them', () => {
    const { opened, listener } = shared();
    listener.serve([1]);
    opened[0]?.arrive(systemErrorLike('accept', 'EMFILE'));
    expect(() => listener.tryAccept()).toThrow('EMFILE');
    expect(opened[0]?.closed).toBe(false);
  });

  test('closes all of them, also those that it has returned', () => {
    const { own, opened, log, listener } = shared();
    listener.serve([1]);
    listener.serve([2]);
    listener.close();
    listener.close();
    listener.serve([1]);
    expect([own, ...opened].map(({ closed }) => closed)).toEqual([true, true, true]);
    expect(log).toEqual(['open 1', 'open 2', 'close']);
    expect(() => listener.tryAccept()).toThrow(/was closed by this program/);
  });
});
