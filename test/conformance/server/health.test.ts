/** The responses of `health`, and the limits that protect it from its clients. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { MetricsSource } from '../../../src/health.ts';
import { health } from '../../../src/health.ts';
import type { Operation, Socket, SocketAddress } from '../../../src/index.ts';
import {
  CoronetError,
  connect,
  group,
  isCancelled,
  moveOnAfter,
  sleep,
  sleepForever,
} from '../../../src/index.ts';
import { nodePlatform } from '../../../src/node/platform.ts';
import type { StatsSource } from '../../../src/world/world.ts';
import { realBackends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import type { HealthRun } from '../../support/server/health.ts';
import { exchange, FakeProgram, get, runHealth, short } from '../../support/server/health.ts';
import { withServer } from '../../support/servers.ts';
import { echo, eventually, LOOPBACK, receiveText } from '../../support/sockets.ts';

/** MAX_CONNECTIONS of src/server/health/connections.ts. */
const MAX_CONNECTIONS = 16;

const HOST = 'Host: localhost\r\n';

const invalidRequests: readonly (readonly [request: string, status: string])[] = [
  [`GET / HTTP/1.1\r\n${HOST}\r\n`, '404'],
  [`GET http://localhost/other HTTP/1.1\r\n${HOST}\r\n`, '404'],
  [`POST /livez HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nhi`, '405'],
  // Request lines.
  ['\r\n\r\nHello\r\n\r\n', '400'],
  [`GET /livez HTTP/2.0\r\n${HOST}\r\n`, '400'],
  [`GET /livez HTTP/0.9\r\n${HOST}\r\n`, '400'],
  [`GET /livez HTTP/1.10\r\n${HOST}\r\n`, '400'],
  [`GET /livez http/1.1\r\n${HOST}\r\n`, '400'],
  [`GET /livez\r\n${HOST}\r\n`, '400'],
  [`GET  /livez HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET /livez HTTP/1.1 \r\n${HOST}\r\n`, '400'],
  [`G@T /livez HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET /live\u007fz HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET /livez#top HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET livez HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET * HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET ftp://localhost/livez HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET http:///livez HTTP/1.1\r\n${HOST}\r\n`, '400'],
  [`GET http://a@b/livez HTTP/1.1\r\n${HOST}\r\n`, '400'],
  // Headers.
  ['GET /livez HTTP/1.1\r\n\r\n', '400'],
  ['GET http://localhost/livez HTTP/1.1\r\n\r\n', '400'],
  ['GET /livez HTTP/1.2\r\n\r\n', '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}${HOST}\r\n`, '400'],
  [`GET /livez HTTP/1.0\r\n${HOST}host: other\r\n\r\n`, '400'],
  ['GET /livez HTTP/1.1\r\nHost: a b\r\n\r\n', '400'],
  ['GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n', '400'],
  ['GET /livez HTTP/1.1\r\nHost: a:x\r\n\r\n', '400'],
  ['GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n', '400'],
  [`GET /livez HTTP/1.1\r\n Host: localhost\r\n${HOST}\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}Accept: a\r\n b\r\n\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}Accept\r\n\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}: x\r\n\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}Accept: a\rb\r\n\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}Accept: a\0b\r\n\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`, '400'],
  [`GET /livez HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, '400'],
  // Sizes.
  [`GET /livez HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(2000)}\r\n`, '431'],
  [`GET /${'x'.repeat(20_000)}`, '431'],
];

const validRequests: readonly string[] = [
  `GET /livez HTTP/1.1\r\n${HOST}\r\n`,
  `\r\nGET /livez?verbose=1&x=/ HTTP/1.1\r\n${HOST}\r\n`,
  `GET /livez HTTP/1.2\r\n${HOST}\r\n`,
  `GET /livez HTTP/1.9\r\n${HOST}\r\n`,
  'GET /livez HTTP/1.0\r\n\r\n',
  'GET /livez HTTP/1.1\nhost:localhost\n\n',
  'GET /livez HTTP/1.1\r\nHost:\r\n\r\n',
  'GET /livez HTTP/1.1\r\nHOST: \t[::1]:9090 \t\r\n\r\n',
  'GET /livez HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n\r\n',
  `GET http://localhost/livez HTTP/1.1\r\n${HOST}\r\n`,
  `GET HTTP://[::1]:9090/livez?x HTTP/1.1\r\nHost: other\r\n\r\n`,
  `GET /livez HTTP/1.1\r\n${HOST}Accept: ä\r\nX-Empty:\r\n\r\n`,
  `GET /livez HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi`,
];

afterEach(() => {
  vi.restoreAllMocks();
});

for (const backend of realBackends) {
  describe(`health on ${backend.name}`, () => {
    expectNothingLeft(backend);

    const withHealth = (...args: HealthRun): Promise<void> => runHealth(backend, ...args);

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

    it('/readyz returns 503 with the reason while the servers of the program cannot serve', () => {
      const program = new FakeProgram();
      program.ready = true;
      const workers = { wanted: 2, ready: 0 };
      program.servers.push({ address: {}, stats: () => ({}), workers });
      const body = function* (address: SocketAddress): Operation<void> {
        expect(short(yield* get(address, '/readyz'))).toBe(
          '503 not ready: 0 of 2 workers are ready\n',
        );
        workers.ready = 1;
        expect(short(yield* get(address, '/readyz'))).toBe('200 ready\n');
        program.ready = false;
        program.notReadyReason = 'all servers have ended';
        expect(short(yield* get(address, '/readyz'))).toBe(
          '503 not ready: all servers have ended\n',
        );
      };
      return withHealth(body, {}, { program });
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

    it('/metrics shows how many workers of a supervisor are ready', () => {
      const program = new FakeProgram();
      const workers = { wanted: 4, ready: 3 };
      program.servers = [{ address: { toString: () => 'w' }, stats: () => ({}), workers }];
      const body = function* (address: SocketAddress): Operation<void> {
        const page = yield* get(address, '/metrics');
        expect(page).toMatch(/^coronet_server_workers\{server="w"\} 4$/m);
        expect(page).toMatch(/^# TYPE coronet_server_workers_ready gauge$/m);
        expect(page).toMatch(/^coronet_server_workers_ready\{server="w"\} 3$/m);
      };
      return withHealth(body, {}, { program });
    });

    it('/metrics shows each of several servers at one address, under a name that it keeps', () => {
      const program = new FakeProgram();
      const serverWith = (open: number): StatsSource => {
        return { address: { toString: () => 'x:1' }, stats: () => ({ open }) };
      };
      program.servers = [serverWith(10), serverWith(20)];
      const body = function* (address: SocketAddress): Operation<void> {
        const first = yield* get(address, '/metrics');
        expect(first).toMatch(/^coronet_server_open\{server="x:1"\} 10$/m);
        expect(first).toMatch(/^coronet_server_open\{server="x:1 \(2\)"\} 20$/m);
        program.servers.shift();
        const second = yield* get(address, '/metrics');
        expect(second).toMatch(/^coronet_server_open\{server="x:1 \(2\)"\} 20$/m);
        expect(second).not.toContain('{server="x:1"}');
      };
      return withHealth(body, {}, { program });
    });

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
        for (const [request, status] of invalidRequests) {
          const response = yield* exchange(address, request);
          expect(response.slice(9, 12), request.slice(0, 80)).toBe(status);
        }
        expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
      }));

    it('every valid form of a request for /livez is answered with 200', () =>
      withHealth(function* (address): Operation<void> {
        for (const request of validRequests) {
          const response = yield* exchange(address, request);
          expect(short(response), request).toBe('200 alive\n');
        }
      }));

    it('a method other than GET and HEAD is answered with 405 and the allowed methods', () =>
      withHealth(function* (address): Operation<void> {
        for (const method of ['POST', 'OPTIONS', 'get', 'PURGE']) {
          const response = yield* exchange(address, `${method} * HTTP/1.1\r\nHost: x\r\n\r\n`);
          expect(response).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n/);
          expect(response).toMatch(/^Allow: GET, HEAD\r$/m);
        }
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

    it('a probe is answered while any number of silent connections is open', () =>
      withHealth(function* (address): Operation<void> {
        const silent = [];
        for (let i = 0; i < 120; i++) silent.push(yield* connect(address));
        for (let i = 0; i < 3; i++)
          expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
        for (const socket of silent) socket.close();
      }));

    it('a probe is answered while clients connect again whenever they are disconnected', () =>
      withHealth(function* (address): Operation<void> {
        yield* group(function* (clients): Operation<void> {
          const again = function* (): Operation<void> {
            for (;;) {
              using socket = yield* connect(address);
              yield* socket.recv();
            }
          };
          for (let i = 0; i < 40; i++) clients.spawn(again, { daemon: true });
          yield* sleep(1);
          for (let i = 0; i < 5; i++) {
            expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
          }
        });
      }));

    for (const [what, request] of [
      ['is silent', ''],
      ['sends a part of a request', 'GET /livez HTTP/1.1\r\n'],
      ['stays open after its response', 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n'],
    ] as const) {
      it(`beyond the maximum, a connection that ${what} ends, the oldest first`, () =>
        withHealth(function* (address): Operation<void> {
          const oldest = yield* connect(address);
          yield* oldest.sendAll(request);
          if (what.startsWith('stays')) {
            yield* oldest.reader().readUntil('alive\n');
          }
          const others = [];
          for (let i = 0; i < MAX_CONNECTIONS; i++) others.push(yield* connect(address));
          const end = yield* moveOnAfter(4000, () => attempt(receiveText(oldest)));
          expect(end).not.toBe(undefined);
          const [next] = others;
          expect(yield* moveOnAfter(5, () => attempt(receiveText(next as Socket)))).toBe(undefined);
          for (const socket of [oldest, ...others]) socket.close();
        }));
    }
  });
}

/** Ignores a connection that was reset. */
function* attempt<T>(op: Operation<T>): Operation<T | string> {
  try {
    return yield* op;
  } catch (error) {
    if (isCancelled(error)) throw error;
    return String(error);
  }
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
