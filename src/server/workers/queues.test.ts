/** The accept queues of workers: which worker accepts from them, and how long clients wait. */
import { describe, expect, test } from 'vitest';
import { superviseWorkers } from '../../../test/support/server/supervised-workers.ts';
import { sleep } from '../../kernel/waits.ts';

describe('the queue of a worker', () => {
  test('is inherited by the other workers, in addition to their own', () => {
    const supervised = superviseWorkers(2, { listen: [25000, 26000] }, function* (supervised) {
      supervised.platform.separateQueues = true;
      (yield* supervised.begin(2)).stop();
      yield* supervised.endAll();
    });
    const [first, second] = supervised.processes.map(({ start }) => start);
    expect([first?.descriptors, second?.descriptors]).toEqual([
      [10, 20, 11, 21],
      [11, 21, 10, 20],
    ]);
    expect([first, second].map((start) => start?.environment?.['CORONET_LISTEN'])).toEqual([
      '[[":25000",3,[null,5]],[":26000",4,[null,6]]]',
      '[[":25000",3,[5,null]],[":26000",4,[6,null]]]',
    ]);
  });

  test('is served by the ready workers until its own worker is ready', () => {
    superviseWorkers(3, { listen: 25000 }, function* (supervised) {
      const first = yield* supervised.started(1);
      first.ready();
      first.emit({ kind: 'takes-queues' });
      yield* supervised.started(3);
      expect(first.received).toEqual(['serve 1 2']);
      const running = yield* supervised.begin(3);
      expect(first.received).toEqual(['serve 1 2', 'serve 2', 'serve']);
      supervised.process(1).emit({ kind: 'takes-queues' });
      supervised.process(2).end({ code: 1 });
      expect(first.received.at(-1)).toBe('serve 2');
      expect(supervised.process(1).received).toEqual(['serve 2']);
      const next = yield* supervised.started(4);
      next.emit({ kind: 'takes-queues' });
      expect(next.received).toEqual([]);
      next.ready();
      yield* sleep(1);
      expect([first.received.at(-1), next.received]).toEqual(['serve', []]);
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('is served by the others while its own worker does not respond', () => {
    superviseWorkers(2, { listen: 25000, hangTimeoutMs: 8000 }, function* (supervised) {
      const running = yield* supervised.begin(2);
      const [first, second] = [supervised.process(0), supervised.process(1)];
      first.emit({ kind: 'takes-queues' });
      second.isResponsive = false;
      yield* supervised.untilReceived(first, 'serve 1');
      expect(second.received).toEqual([]);
      expect(supervised.statsSource.workers).toEqual({ wanted: 2, ready: 1 });
      second.isResponsive = true;
      yield* supervised.untilReceived(first, 'serve');
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('is not served by a worker that has not requested that', () => {
    superviseWorkers(2, { listen: 25000 }, function* (supervised) {
      const running = yield* supervised.begin(2);
      supervised.process(1).end({ code: 1 });
      (yield* supervised.started(3)).ready();
      yield* sleep(1);
      expect(supervised.process(0).received).toEqual([]);
      running.stop();
      yield* supervised.endAll();
    });
  });

  test('is served again after the message could not be sent', () => {
    superviseWorkers(2, { listen: 25000 }, function* (supervised) {
      const running = yield* supervised.begin(2);
      const first = supervised.process(0);
      first.emit({ kind: 'takes-queues' });
      first.isChannelFull = true;
      supervised.process(1).end({ code: 1 });
      first.isChannelFull = false;
      yield* supervised.started(3);
      first.emit({ kind: 'stats', requestId: 0, servers: [] });
      expect(first.received).toEqual(['serve 1']);
      supervised.process(2).ready();
      yield* sleep(1);
      running.stop();
      yield* supervised.endAll();
    });
  });
});

describe('the pause before a restart', () => {
  /** The pauses of a worker that ends again and again. */
  function pauses(count: number, listen: number | undefined): readonly number[] {
    const options = { restarts: { times: 100 }, ...(listen === undefined ? {} : { listen }) };
    return superviseWorkers(count, options, function* (supervised) {
      yield* supervised.begin(count);
      for (let restart = 0; restart < 8; restart++) {
        const process = yield* supervised.started(count + restart);
        process.ready();
        process.end({ code: 1 });
      }
      (yield* supervised.started(count + 8)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    }).pauses;
  }

  test('is at most a second while no other worker accepts connections', () => {
    expect(pauses(1, 25000)).toEqual([100, 200, 400, 800, 1000, 1000, 1000, 1000]);
  });

  test('grows to ten seconds while others accept, or if there is no listener', () => {
    const expected = [100, 200, 400, 800, 1600, 3200, 6400, 10_000];
    expect(pauses(2, 25000)).toEqual(expected);
    expect(pauses(1, undefined)).toEqual(expected);
  });

  test('ends early when the last worker that accepts connections ends', () => {
    superviseWorkers(2, { listen: 25000, restarts: { times: 100 } }, function* (supervised) {
      yield* supervised.begin(2);
      for (let count = 2; count <= 9; count++) {
        (yield* supervised.started(count)).end({ code: 1 });
      }
      expect(supervised.pauses.at(-1)).toBe(6400);
      yield* sleep(10);
      const before = supervised.processes.length;
      yield* sleep(2000);
      expect(supervised.processes.length).toBe(before);
      supervised.process(0).end({ code: 1 });
      yield* sleep(1);
      expect(supervised.processes.length).toBe(before + 1);
      supervised.process(before).ready();
      (yield* supervised.started(before + 2)).ready();
      yield* sleep(1);
      supervised.running?.stop();
      yield* supervised.endAll();
    });
  });
});
