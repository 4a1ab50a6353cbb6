/** The responses of `health`, and the limits that protect it from its clients. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { HealthOptions, MetricsSource } from '../../../src/health.ts';
import { health } from '../../../src/health.ts';
import type { Operation, RunOptions, SocketAddress } from '../../../src/index.ts';
import {
  CoronetError,
  connect,
  group,
  moveOnAfter,
  sleep,
  sleepForever,
} from '../../../src/index.ts';
import type { Program } from '../../../src/lowlevel.ts';
import { nodePlatform } from '../../../src/node/platform.ts';
import { SERVER_METRICS } from '../../../src/server/stats.ts';
import { realBackends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withServer } from '../../support/servers.ts';
import { echo, eventually, LOOPBACK, receiveText } from '../../support/sockets.ts';

/** MAX_CONNECTIONS of src/server/health/health.ts. */
const MAX_CONNECTIONS = 16;

class FakeProgram implements Program {
  ready = false;
  stopping = false;
  readonly replaced = false;
  readonly servers: Program['servers'] = [
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
function* exchange(address: SocketAddress, request: string): Operation<string> {
  using socket = yield* connect(address);
  yield* socket.sendAll(request);
  return yield* receiveText(socket);
}

function* get(address: SocketAddress, path: string): Operation<string> {
  return yield* exchange(address, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
}

/** The status and the body of a response. */
function short(response: string): string {
  const [head = '', body] = response.split('\r\n\r\n');
  return `${head.split(' ')[1]} ${body}`;
}

afterEach(() => {
  vi.restoreAllMocks();
});

for (const backend of realBackends) {
  describe(`health on ${backend.name}`, () => {
    expectNothingLeft(backend);

    /** Runs `body` while `health` listens at the address that is passed to it. */
    function withHealth(
      body: (address: SocketAddress) => Operation<void>,
      options: HealthOptions = {},
      runOptions: object = {},
    ): Promise<void> {
      let address: SocketAddress | undefined;
      const onListening = (at: SocketAddress) => {
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

    it('/livez returns 200 with valid HTTP headers', () =>
      withHealth(function* (address): Operation<void> {
        const response = yield* get(address, '/livez?verbose');
        expect(response.split('\r\n')).toEqual([
          'HTTP/1.1 200 OK',
          'Content-Type: text/plain; charset=utf-8',
          'Content-Length: 6',
          'Cache-Control: no-store',
          'Connection: close',
          '',
          'alive\n',
        ]);
        const head = yield* exchange(address, 'HEAD /livez HTTP/1.0\n\n');
        expect(head).toBe(response.replace('alive\n', ''));
      }));

    it('/readyz returns 200 from when the program is ready to the first signal', async () => {
      const program = new FakeProgram();
      const body = function* (address: SocketAddress): Operation<void> {
        expect(short(yield* get(address, '/readyz'))).toBe('503 not ready\n');
        program.ready = true;
        expect(short(yield* get(address, '/readyz'))).toBe('200 ready\n');
        program.ready = false;
        program.stopping = true;
        expect(short(yield* get(address, '/readyz'))).toBe('503 stopping\n');
        expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
      };
      await withHealth(body, {}, { program });
    });

    it('/readyz returns 503 if the option ready() returns false or throws', async () => {
      let isReady: () => boolean = () => true;
      const body = function* (address: SocketAddress): Operation<void> {
        expect(short(yield* get(address, '/readyz'))).toBe('200 ready\n');
        isReady = () => false;
        expect(short(yield* get(address, '/readyz'))).toBe('503 not ready\n');
        isReady = () => {
          throw new Error('no database');
        };
        expect(short(yield* get(address, '/readyz'))).toBe('503 not ready: Error: no database\n');
      };
      await withHealth(body, { ready: () => isReady() });
    });

    it('/metrics shows metrics of the process, of the scheduler and of servers', () =>
      backend.run(() =>
        withServer(echo, function* (server): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            let address: SocketAddress | undefined;
            const onListening = (at: SocketAddress) => {
              address = at;
            };
            const servers = { 'the "api"': server };
            tasks.spawn(() => health(LOOPBACK, { servers, onListening }), { daemon: true });
            yield* eventually('it listens', () => address !== undefined);
            using socket = yield* connect(server.address);
            yield* eventually('it is served', () => server.stats().accepted === 1);
            const page = yield* get(address as SocketAddress, '/metrics');
            expect(socket.closed).toBe(false);
            expect(page).toMatch(/^Content-Type: text\/plain; version=0\.0\.4; charset=utf-8\r$/m);
            expect(page).toMatch(/^process_resident_memory_bytes \d+/m);
            expect(page).toMatch(/^# TYPE coronet_tasks gauge$/m);
            expect(page).toMatch(/^coronet_steps_total \d+$/m);
            const labels = String.raw`\{server="the \\"api\\""\}`;
            expect(page).toMatch(new RegExp(`^coronet_server_accepted_total${labels} 1$`, 'm'));
            expect(page).toMatch(new RegExp(`^coronet_server_open${labels} 1$`, 'm'));
          });
        }),
      ));

    it('/metrics runs refresh() of each source before a page, and shows its errors', async () => {
      let value = 0;
      const refreshed = {
        stats: () => ({ value }),
        *refresh(): Operation<void> {
          yield* sleep(1);
          value++;
        },
      };
      const servers: Record<string, MetricsSource> = {
        refreshed,
        plain: { stats: () => ({ open: 3 }) },
      };
      const body = function* (address: SocketAddress): Operation<void> {
        for (const expected of [1, 2]) {
          const page = yield* get(address, '/metrics');
          expect(page).toContain(`coronet_server_value{server="refreshed"} ${expected}\n`);
          expect(page).toContain('coronet_server_open{server="plain"} 3\n');
        }
        servers['broken'] = {
          stats: () => ({}),
          refresh(): never {
            throw new Error('unreachable');
          },
        };
        expect(short(yield* get(address, '/metrics'))).toMatch(/^500 .*Error: unreachable\n$/);
      };
      await withHealth(body, { servers });
    });

    it('/metrics does not wait indefinitely for refresh() of a source', () => {
      const never = { stats: () => ({ open: 1 }), refresh: () => sleepForever() };
      return withHealth(
        function* (address): Operation<void> {
          const page = yield* get(address, '/metrics');
          expect(page).toContain('coronet_server_open{server="never"} 1\n');
        },
        { servers: { never } },
      );
    });

    it('/metrics shows the servers under main by default', () =>
      withHealth(
        function* (address): Operation<void> {
          const page = yield* get(address, '/metrics');
          expect(page).toMatch(/^coronet_server_open\{server="main"\} 7$/m);
          expect(page).toMatch(/^coronet_server_closed_total\{server="main",kind="idle"\} 3$/m);
          expect(short(yield* get(address, '/metrics'))).toMatch(/^200 /);
        },
        {},
        { program: new FakeProgram() },
      ));

    it('/metrics returns 501 without prom-client', () => {
      vi.spyOn(nodePlatform, 'metricsPage').mockImplementation((_, done) => {
        done(new CoronetError('ERR_MISSING_PEER', 'Run: npm install prom-client'), '');
      });
      return withHealth(function* (address): Operation<void> {
        const response = yield* get(address, '/metrics');
        expect(response).toMatch(/^HTTP\/1\.1 501 Not Implemented\r\n/);
        expect(short(response)).toBe('501 Run: npm install prom-client\n');
        expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
      });
    });

    it('an invalid request is answered with a 4xx status', () =>
      withHealth(function* (address): Operation<void> {
        const requests: readonly (readonly [string, string])[] = [
          ['GET / HTTP/1.1\r\n\r\n', '404'],
          ['GET http://localhost/livez HTTP/1.1\r\n\r\n', '404'],
          ['POST /livez HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi', '405'],
          ['\r\n\r\nHello\r\n\r\n', '400'],
          ['GET /livez HTTP/2.0\r\n\r\n', '400'],
          [`GET /livez HTTP/1.1\r\n${'a: b\r\n'.repeat(2000)}\r\n`, '431'],
          [`GET /${'x'.repeat(20_000)}`, '431'],
        ];
        for (const [request, status] of requests) {
          const response = yield* exchange(address, request);
          expect(response.slice(9, 12), request.slice(0, 40)).toBe(status);
        }
        expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
      }));

    it('clients that disconnect during a request do not affect other clients', () =>
      withHealth(function* (address): Operation<void> {
        for (const request of ['', 'GET', 'GET /metrics HTTP/1.1\r\n\r\n']) {
          const closed = yield* connect(address);
          yield* closed.sendAll(`${request}`);
          closed.close();
          const reset = yield* connect(address);
          yield* reset.sendAll(request);
          reset.reset();
        }
        expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
      }));

    it('at the maximum number of connections, the next one is served when one ends', () =>
      withHealth(function* (address): Operation<void> {
        const silent = [];
        for (let i = 0; i < MAX_CONNECTIONS; i++) silent.push(yield* connect(address));
        using late = yield* connect(address);
        yield* late.sendAll('GET /livez HTTP/1.1\r\n\r\n');
        expect(yield* moveOnAfter(50, () => late.recv())).toBe(undefined);
        silent.pop()?.close();
        expect(short(yield* receiveText(late))).toBe('200 alive\n');
        for (const socket of silent) socket.close();
      }));
  });
}

describe('health', () => {
  it('an invalid address or option is rejected at once', () => {
    expect(() => health('nowhere')).toThrow(/Expected an address/);
    expect(() => health(0, { ready: true as never })).toThrow(/`options.ready` to be a function/);
    expect(() => health(0, { server: {} } as object)).toThrow(/did you mean `servers`/);
  });

  it('a port without a host means 127.0.0.1', () =>
    (realBackends[0] as (typeof realBackends)[number]).run(function* (): Operation<void> {
      let host = '';
      const onListening = (address: SocketAddress) => {
        host = address.host;
      };
      yield* moveOnAfter(20, () => health(0, { onListening }));
      expect(host).toBe('127.0.0.1');
    }));
});
