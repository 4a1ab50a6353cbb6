/** `health` answers probes although silent and slow clients keep connecting. */
import { expect, test } from 'vitest';
import { health } from '../../src/health.ts';
import type { Operation } from '../../src/index.ts';
import { connect, group, moveOnAfter, now, sleep } from '../../src/index.ts';
import { simulate } from '../../src/sim.ts';

const PROBE = 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n';
/** The default time limit of a Kubernetes probe. */
const PROBE_LIMIT_MS = 1000;
/** REQUEST_TIMEOUT_MS of src/server/health/health.ts, and the time of the network. */
const REQUEST_LIMIT_MS = 5100;

/** Connects, sends nothing, and connects again when the connection is closed. */
function* reconnect(): Operation<never> {
  for (;;) {
    try {
      using socket = yield* connect('server:9090');
      yield* socket.recv();
    } catch {
      yield* sleep(1);
    }
  }
}

/** The status of a response; `undefined` if it is not received in time. */
function* probe(): Operation<string | undefined> {
  return yield* moveOnAfter(PROBE_LIMIT_MS, function* (): Operation<string> {
    using socket = yield* connect('server:9090');
    yield* socket.sendAll(PROBE);
    return String(yield* socket.reader().readUntil('\n')).slice(9, 12);
  });
}

test('a probe is answered in time although 400 silent clients keep connecting', async () => {
  const answers: (string | undefined)[] = [];
  await simulate(
    function* (world) {
      world.host('server', () => health('0.0.0.0:9090'));
      yield* sleep(1);
      yield* group(function* (tasks): Operation<void> {
        for (let i = 0; i < 400; i++) tasks.spawn(reconnect, { daemon: true });
        yield* sleep(500);
        for (let i = 0; i < 5; i++) answers.push(yield* probe());
      });
    },
    { maxVirtualMs: 600_000 },
  );
  expect(answers).toEqual(['200', '200', '200', '200', '200']);
}, 120_000);

test('a request that arrives byte by byte is ended at the time limit', async () => {
  let durationMs = 0;
  await simulate(function* (world) {
    world.host('server', () => health('0.0.0.0:9090'));
    yield* sleep(1);
    using socket = yield* connect('server:9090');
    const startedAt = now();
    try {
      for (;;) {
        yield* socket.sendAll('G');
        yield* sleep(100);
      }
    } catch {
      durationMs = now() - startedAt;
    }
  });
  expect(durationMs).toBeGreaterThan(4000);
  expect(durationMs).toBeLessThan(REQUEST_LIMIT_MS + 200);
});
