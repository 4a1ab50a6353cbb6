/** Accepting while descriptors or memory are short, on a virtual clock. */
import { beforeEach, describe, expect, test } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { ClosedError } from '../kernel/errors.ts';
import type { Operation } from '../kernel/operation.ts';
import { Readiness } from '../kernel/readiness.ts';
import { group } from '../kernel/task/group.ts';
import { sleep } from '../kernel/waits.ts';
import { Listener } from '../net/tcp/listener.ts';
import { SystemError } from '../support/system-error.ts';
import type { ListenerTransport, Transport } from '../world/network.ts';
import { serve } from './serve.ts';
import type { Server } from './server.ts';
import type { ServerStats } from './stats.ts';

/** A listener whose accept fails while `code` is set. */
class FailingListener extends Readiness implements ListenerTransport {
  readonly local = { host: '127.0.0.1', port: 1, family: 4 } as const;
  code = '';
  attempts = 0;
  readonly shedCalls: number[] = [];
  #closed = false;

  constructor() {
    super();
    this.canRecv = true;
  }

  tryListen(): boolean {
    return true;
  }

  tryAccept(): Transport | undefined {
    this.attempts++;
    if (this.#closed) throw new ClosedError('ERR_CLOSED', 'closed');
    if (this.code !== '') throw new SystemError(this.code, -1, 'accept');
    this.canRecv = false;
    return undefined;
  }

  shed(max: number): number {
    this.shedCalls.push(max);
    return 3;
  }

  close(): void {
    this.#closed = true;
    this.rejectWaiters(new ClosedError('ERR_CLOSED', 'closed'));
  }
}

let lines: string[];
let listener: FailingListener;

beforeEach(() => {
  lines = [];
  listener = new FailingListener();
});

/** Serves on the listener for `ms`, and returns the statistics at the end. */
function serveFor(ms: number, during?: (server: Server) => Operation<void>): ServerStats {
  let server: Server | undefined;
  const world = {
    network: {
      backend: 'test',
      capabilities: { pausesAccept: true },
      limits: () => ({}),
      poll: () => 0,
      settleMs: 0,
    },
    platform: { report: (line: string) => lines.push(line) },
  };
  play(
    () =>
      group(function* (tasks): Operation<void> {
        const onListening = (listening: Server): void => {
          server = listening;
        };
        tasks.spawn(() => serve(new Listener(listener), sleepy, { onListening }));
        yield* sleep(ms);
        if (during !== undefined) yield* during(server as Server);
        server?.stop();
      }),
    { world },
  );
  return (server as unknown as Server).stats();
}

function* sleepy(): Operation<void> {
  yield* sleep(1);
}

describe('a shortage of descriptors or memory', () => {
  test.each(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'])(
    '(%s) pauses accepting for increasing times, and is reported once',
    (code) => {
      listener.code = code;
      const { acceptPauses } = serveFor(1000);
      // After 0, 5, 15, 35, … ms.
      expect(acceptPauses).toBe(8);
      expect(lines.map((line) => line.includes(code))).toEqual([true]);
      expect(listener.shedCalls).toEqual([]);
    },
  );

  test('a lasting shortage resets the oldest queued connections after each pause', () => {
    listener.code = 'EMFILE';
    const { refused } = serveFor(10_000);
    expect(listener.shedCalls).toEqual(Array(8).fill(64));
    expect(refused.shed).toBe(24);
  });

  test('a shortage that lasts for minutes is reported once a minute', () => {
    listener.code = 'EMFILE';
    serveFor(200_000);
    expect(lines.length).toBe(4);
    expect(listener.attempts).toBeLessThan(220);
  });

  test('a new shortage starts with a short pause, whatever came before', () => {
    listener.code = 'EMFILE';
    const shortage = function* (): Operation<void> {
      listener.code = '';
      yield* sleep(5000);
      const before = listener.attempts;
      listener.code = 'EMFILE';
      listener.notifyRecv();
      yield* sleep(30);
      expect(listener.attempts - before).toBe(3);
    };
    serveFor(1500, shortage);
    expect(listener.shedCalls).toEqual([]);
  });
});

test('another error of accept ends the server', () => {
  listener.code = 'EINVAL';
  expect(() => serveFor(1)).toThrow(/EINVAL/);
});
