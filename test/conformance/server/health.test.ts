/** What `health` answers, and that nobody can do it harm. */
import { describe, expect, it } from 'vitest';
import type { HealthOptions, MetricsSource } from '../../../src/health.ts';
import { health } from '../../../src/health.ts';
import type { Operation, RunOptions, SocketAddress } from '../../../src/index.ts';
import { connect, group, moveOnAfter, sleep, sleepForever } from '../../../src/index.ts';
import type { Program } from '../../../src/lowlevel.ts';
import { realBackends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withServer } from '../../support/servers.ts';
import { echo, eventually, LOOPBACK, receiveText } from '../../support/sockets.ts';

/** MOST_CONNECTIONS of server/health/health.ts. */
const PLACES = 16;

class FakeProgram implements Program {
  ready = false;
  stopping = false;
  readonly replaced = false;
  readonly servers: Program['servers'] = [
    { address: { toString: () => 'main' }, stats: () => ({ open: 7, closed: { idle: 3 } }) },
  ];
  becomeReady(): void {}
  serverListens(): void {}
  serverEnds(): void {}
}

/** The whole answer to what is sent. */
function* answerTo(address: SocketAddress, request: string): Operation<string> {
  using socket = yield* connect(address);
  yield* socket.sendAll(request);
  return yield* receiveText(socket);
}

function* get(address: SocketAddress, path: string): Operation<string> {
  return yield* answerTo(address, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
}

/** The status and the body of an answer. */
function short(answer: string): string {
  const [head = '', body] = answer.split('\r\n\r\n');
  return `${head.split(' ')[1]} ${body}`;
}

for (const backend of realBackends) {
  describe(`health on ${backend.name}`, () => {
    expectNothingLeft(backend);

    /** Runs `body` while health answers. */
    function observed(
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

    it('is alive as long as it answers, and says so in HTTP', () =>
      observed(function* (address): Operation<void> {
        const answer = yield* get(address, '/livez?verbose');
        expect(answer.split('\r\n')).toEqual([
          'HTTP/1.1 200 OK',
          'Content-Type: text/plain; charset=utf-8',
          'Content-Length: 6',
          'Cache-Control: no-store',
          'Connection: close',
          '',
          'alive\n',
        ]);
        const head = yield* answerTo(address, 'HEAD /livez HTTP/1.0\n\n');
        expect(head).toBe(answer.replace('alive\n', ''));
      }));

    it('is ready while the program is, and not from the first signal on', async () => {
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
      await observed(body, {}, { program });
    });

    it('asks the question of its options as well', async () => {
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
      await observed(body, { ready: () => isReady() });
    });

    it('gives the figures of the process, of the scheduler and of servers', () =>
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

    it('fetches first what lies elsewhere, and tells what goes wrong there', async () => {
      let value = 0;
      const fetched = {
        stats: () => ({ value }),
        *refresh(): Operation<void> {
          yield* sleep(1);
          value++;
        },
      };
      const servers: Record<string, MetricsSource> = {
        fetched,
        plain: { stats: () => ({ open: 3 }) },
      };
      const body = function* (address: SocketAddress): Operation<void> {
        for (const expected of [1, 2]) {
          const page = yield* get(address, '/metrics');
          expect(page).toContain(`coronet_server_value_total{server="fetched"} ${expected}\n`);
          expect(page).toContain('coronet_server_open{server="plain"} 3\n');
        }
        servers['broken'] = {
          stats: () => ({}),
          refresh(): never {
            throw new Error('out of reach');
          },
        };
        expect(short(yield* get(address, '/metrics'))).toMatch(/^500 .*Error: out of reach\n$/);
      };
      await observed(body, { servers });
    });

    it('does not wait for what lies elsewhere for ever', () => {
      const never = { stats: () => ({ open: 1 }), refresh: () => sleepForever() };
      return observed(
        function* (address): Operation<void> {
          const page = yield* get(address, '/metrics');
          expect(page).toContain('coronet_server_open{server="never"} 1\n');
        },
        { servers: { never } },
      );
    });

    it('gives those of the servers under main by themselves, also one inside of another', () =>
      observed(
        function* (address): Operation<void> {
          const page = yield* get(address, '/metrics');
          expect(page).toMatch(/^coronet_server_open\{server="main"\} 7$/m);
          expect(page).toMatch(/^coronet_server_closed_total\{server="main",kind="idle"\} 3$/m);
          expect(short(yield* get(address, '/metrics'))).toMatch(/^200 /);
        },
        {},
        { program: new FakeProgram() },
      ));

    it('refuses what it does not know', () =>
      observed(function* (address): Operation<void> {
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
          expect((yield* answerTo(address, request)).slice(9, 12), request.slice(0, 40)).toBe(
            status,
          );
        }
        expect(short(yield* get(address, '/livez'))).toBe('200 alive\n');
      }));

    it('is not disturbed by those who leave in the middle', () =>
      observed(function* (address): Operation<void> {
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

    it('has a bounded number of places: the next one is served when one is left', () =>
      observed(function* (address): Operation<void> {
        const silent = [];
        for (let i = 0; i < PLACES; i++) silent.push(yield* connect(address));
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
  it('says what is wrong with its address and its options', () => {
    expect(() => health('nowhere')).toThrow(/Expected an address/);
    expect(() => health(0, { ready: true as never })).toThrow(/`options.ready` to be a function/);
    expect(() => health(0, { server: {} } as object)).toThrow(/did you mean `servers`/);
  });

  it('listens on this machine only where a port is all that was said', () =>
    (realBackends[0] as (typeof realBackends)[number]).run(function* (): Operation<void> {
      let host = '';
      const onListening = (address: SocketAddress) => {
        host = address.host;
      };
      yield* moveOnAfter(20, () => health(0, { onListening }));
      expect(host).toBe('127.0.0.1');
    }));
});
