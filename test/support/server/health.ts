/** A running `health`, and a client of it. */
import type { HealthOptions } from '../../../src/health.ts';
import { health } from '../../../src/health.ts';
import type { Operation, RunOptions, SocketAddress } from '../../../src/index.ts';
import { connect, group } from '../../../src/index.ts';
import type { Program } from '../../../src/lowlevel.ts';
import { SERVER_METRICS } from '../../../src/server/stats.ts';
import type { StatsSource } from '../../../src/world/world.ts';
import type { TestBackend } from '../backends.ts';
import { eventually, LOOPBACK, receiveText } from '../sockets.ts';

/** The operation that uses `health`, its options, and options of the run. */
export type HealthRun = readonly [
  body: (address: SocketAddress) => Operation<void>,
  options?: HealthOptions,
  runOptions?: object,
];

/** Runs `body` while `health` listens at the address that is passed to it. */
export function runHealth(
  backend: TestBackend,
  ...[body, options = {}, runOptions = {}]: HealthRun
): Promise<void> {
  let address: SocketAddress | undefined;
  const onListening = (at: SocketAddress): void => {
    address = at;
  };
  return backend.run(
    () =>
      group(function* (tasks): Operation<void> {
        tasks.spawn(() => health(LOOPBACK, { ...options, onListening }), { daemon: true });
        yield* eventually('it listens', () => address !== undefined);
        yield* body(address as SocketAddress);
      }),
    runOptions as RunOptions,
  );
}

/** A program whose state a test sets. */
export class FakeProgram implements Program {
  ready = false;
  stopping = false;
  readonly replaced = false;
  notReadyReason: string | undefined;
  servers: StatsSource[] = [
    {
      address: { toString: () => 'main' },
      stats: () => ({ open: 7, closed: { idle: 3 } }),
      metrics: SERVER_METRICS,
    },
  ];
  becomeReady(): void {}
  serverListens(): void {}
  serverEnds(): void {}
}

/** Sends `request` and returns the whole response. */
export function* exchange(address: SocketAddress, request: string): Operation<string> {
  using socket = yield* connect(address);
  yield* socket.sendAll(request);
  return yield* receiveText(socket);
}

export function* get(address: SocketAddress, path: string): Operation<string> {
  return yield* exchange(address, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
}

/** The status and the body of a response. */
export function short(response: string): string {
  const [head = '', body] = response.split('\r\n\r\n');
  return `${head.split(' ')[1]} ${body}`;
}
