/** Peers that vanish: neither a reset nor an end of file ever arrives from them. */
import { expect, test } from 'vitest';
import type { Operation, Server, Socket } from '../../src/index.ts';
import { connect, group, sleep, sleepForever, tcpServer } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';
import { closeReasons } from '../support/servers.ts';

const BLOCK = Buffer.alloc(65_536, 'b');

/** Sends blocks without end after the line `feed`, and echoes any other line. */
function* handler(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    while (line === 'feed') yield* socket.sendAll(BLOCK);
    yield* socket.sendAll(`${line}\n`);
  }
}

/** The bytes that each client sends. Afterwards it neither reads nor closes. */
const MESSAGES = ['', 'a question\n', 'half a mess', 'feed\n'];

function* clients(): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    for (const message of MESSAGES) {
      tasks.spawn(function* (): Operation<void> {
        using socket = yield* connect('server:80');
        yield* socket.sendAll(message);
        yield* sleepForever();
      });
    }
  });
}

test('connections of vanished peers are ended by the limits of the server', async () => {
  const report = await simulate(
    function* (world) {
      let server: Server | undefined;
      world.host('server', () =>
        tcpServer(80, handler, {
          minReceiveRate: { bytesPerSecond: 10 },
          onListening: (listening) => {
            server = listening;
          },
        }),
      );
      const client = world.host('client', clients);
      yield* sleep(1000);
      expect(server?.stats().open).toBe(MESSAGES.length);
      world.partition(client, 'server');
      yield* sleep(400_000);
      expect(closeReasons(server as Server)).toEqual({
        firstByteTimeoutMs: 1,
        idleTimeoutMs: 1,
        minReceiveRate: 1,
        sendStallTimeoutMs: 1,
      });
      expect(server?.stats().open).toBe(0);
    },
    { runs: 20, order: 'random', link: { latencyMs: [0, 20] } },
  );
  expect(report.runs).toBe(20);
});

test('connections of vanished peers are ended by keep-alive without an idle limit', async () => {
  await simulate(
    function* (world) {
      let server: Server | undefined;
      const failures: unknown[] = [];
      const receiveTwice = function* (socket: Socket): Operation<void> {
        socket.setKeepAlive({ enable: true, idleMs: 60_000, intervalMs: 10_000, count: 6 });
        yield* socket.recv();
        yield* socket.recv();
      };
      world.host('server', () =>
        tcpServer(80, receiveTwice, {
          firstByteTimeoutMs: Infinity,
          idleTimeoutMs: Infinity,
          onError: (error) => failures.push(error),
          onListening: (listening) => {
            server = listening;
          },
        }),
      );
      const client = world.host('client', clients);
      yield* sleep(1000);
      world.partition(client, 'server');
      yield* sleep(200_000);
      expect(closeReasons(server as Server)).toEqual({ peerReset: MESSAGES.length });
      expect(failures).toEqual([]);
    },
    { runs: 20, order: 'random', link: { latencyMs: [0, 20] } },
  );
});

test('a drain cuts connections of vanished peers at the end of its grace period', async () => {
  await simulate(
    function* (world) {
      let server: Server | undefined;
      let ended = false;
      world.host('server', function* (): Operation<void> {
        yield* tcpServer(80, handler, {
          onListening: (listening) => {
            server = listening;
          },
        });
        ended = true;
      });
      const client = world.host('client', clients);
      yield* sleep(1000);
      world.partition(client, 'server');
      server?.stop({ graceMs: 10_000 });
      yield* sleep(10_001);
      expect(ended).toBe(true);
      const cut = server?.drainReport?.cut.map(({ state, waitingOn }) => `${state}, ${waitingOn}`);
      expect(cut?.sort()).toEqual([
        expect.stringMatching(/^busy, recv /),
        expect.stringMatching(/^busy, send /),
      ]);
    },
    { runs: 20, order: 'random', link: { latencyMs: [0, 20] } },
  );
});
