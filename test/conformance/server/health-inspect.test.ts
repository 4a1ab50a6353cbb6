/** The live page of `health`: who can read it, what it contains, and how large it can become. */
import { describe, expect, it } from 'vitest';
import type { HealthOptions } from '../../../src/health.ts';
import { health } from '../../../src/health.ts';
import type { Operation, SocketAddress } from '../../../src/index.ts';
import { all, group, listen, sleep, sleepForever } from '../../../src/index.ts';
import type { InspectSnapshot } from '../../../src/inspect.ts';
import { simulate } from '../../../src/sim.ts';
import type { TestBackend } from '../../support/backends.ts';
import { backends, realBackends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import type { HealthRun } from '../../support/server/health.ts';
import { exchange, FakeProgram, get, runHealth, short } from '../../support/server/health.ts';
import { failure } from '../../support/sockets.ts';

const INSPECT: HealthOptions = { inspect: true };
/** The largest snapshot, whatever the tasks are. */
const MAX_BYTES = 1_000_000;

function* snapshotAt(address: SocketAddress, path = '/tasks'): Operation<InspectSnapshot> {
  const [, body = ''] = (yield* get(address, path)).split('\r\n\r\n');
  return JSON.parse(body) as InspectSnapshot;
}

/** The status of a request with these header lines. */
function* statusWith(
  address: SocketAddress,
  path: string,
  ...lines: readonly string[]
): Operation<string> {
  const response = yield* exchange(
    address,
    [`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'),
  );
  return response.slice(9, 12);
}

/** The names of all tasks in a snapshot. */
function namesIn({ tree }: InspectSnapshot): string[] {
  const names: string[] = [];
  const open = tree.root === null ? [] : [tree.root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    names.push(node.name);
    open.push(...node.children);
  }
  return names;
}

for (const backend of backends) {
  describe(`the live page of health on ${backend.name}`, () => {
    expectNothingLeft(backend);

    const withHealth = (...args: HealthRun): Promise<void> => runHealth(backend, ...args);

    it('/ and /tasks return 404 without the option inspect', () =>
      withHealth(function* (address): Operation<void> {
        for (const path of ['/', '/tasks']) {
          expect(short(yield* get(address, path))).toBe(
            '404 Expected /livez, /readyz or /metrics\n',
          );
        }
      }));

    it('/tasks is a snapshot of the running program as JSON', () =>
      withHealth(function* (address): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          tasks.spawn(() => sleepForever(), { name: 'a known task', daemon: true });
          tasks.spawn(() => sleepForever(), { name: '<b>&"\n', daemon: true });
          const snapshot = yield* snapshotAt(address);
          expect(snapshot.version).toBe(1);
          expect(snapshot.tree.stats.tasks).toBeGreaterThan(4);
          expect(snapshot.tree.resources.listeners).toHaveLength(1);
          expect(namesIn(snapshot)).toContain('a known task');
          expect(namesIn(snapshot)).toContain('<b>&"\\x0a');
          expect(namesIn(snapshot)).toContain('health request');
        });
      }, INSPECT));

    it('neither / nor /tasks may be stored, framed, sniffed or read by other origins', () =>
      withHealth(function* (address): Operation<void> {
        for (const path of ['/', '/tasks']) {
          const [head = ''] = (yield* get(address, path)).split('\r\n\r\n');
          expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
          expect(head).toContain('\r\nCache-Control: no-store\r\n');
          expect(head).toContain('\r\nX-Content-Type-Options: nosniff\r\n');
          expect(head).toContain('\r\nReferrer-Policy: no-referrer\r\n');
          expect(head).toContain('\r\nCross-Origin-Resource-Policy: same-origin\r\n');
          expect(head).toMatch(/^Content-Security-Policy: default-src 'none'; /m);
          expect(head).toContain("; frame-ancestors 'none'");
          expect(head).not.toMatch(/access-control/i);
        }
      }, INSPECT));

    it('the script and the style of / have the nonce of the response, which is always new', () =>
      withHealth(function* (address): Operation<void> {
        const nonces = new Set<string>();
        for (let i = 0; i < 3; i++) {
          const response = yield* get(address, '/');
          const [, nonce = ''] = /script-src 'nonce-([^']+)';/.exec(response) ?? [];
          expect(Buffer.from(nonce, 'base64')).toHaveLength(16);
          expect(response).toContain(`style-src 'nonce-${nonce}';`);
          expect(response).toContain(`<script nonce="${nonce}">`);
          expect(response).toContain(`<style nonce="${nonce}">`);
          expect(response).not.toContain('unsafe');
          nonces.add(nonce);
        }
        expect(nonces.size).toBe(3);
      }, INSPECT));

    it('a request for a name that is not of this machine is rejected, as after DNS rebinding', () =>
      withHealth(
        function* (address): Operation<void> {
          for (const [host, status] of [
            ['localhost', '200'],
            ['LOCALHOST:9090', '200'],
            ['app.localhost:9090', '200'],
            ['127.0.0.1:9090', '200'],
            ['10.1.2.3', '200'],
            ['[::1]:9090', '200'],
            ['Ops.internal:80', '200'],
            ['evil.example', '403'],
            ['evil.example:9090', '403'],
            ['localhost.evil.example', '403'],
            ['evillocalhost', '403'],
            ['127.0.0.1.evil.example', '403'],
            ['', '403'],
          ] as const) {
            for (const path of ['/', '/tasks']) {
              expect(yield* statusWith(address, path, `Host: ${host}`), host).toBe(status);
            }
          }
          const withoutHost = yield* exchange(address, 'GET /tasks HTTP/1.0\r\n\r\n');
          expect(short(withoutHost)).toBe('403 Expected a Host header\n');
          expect(yield* statusWith(address, '/livez', 'Host: evil.example')).toBe('200');
        },
        { inspect: { hosts: ['ops.internal'] } },
      ));

    it('a request from a page of another origin is rejected, and a link to the page is not', () =>
      withHealth(function* (address): Operation<void> {
        for (const [path, site, mode, status] of [
          ['/tasks', 'same-origin', 'cors', '200'],
          ['/tasks', 'none', 'navigate', '200'],
          ['/tasks', 'cross-site', 'cors', '403'],
          ['/tasks', 'cross-site', 'no-cors', '403'],
          ['/tasks', 'same-site', 'cors', '403'],
          ['/tasks', 'cross-site', 'navigate', '403'],
          ['/', 'cross-site', 'cors', '403'],
          ['/', 'cross-site', 'navigate', '200'],
        ] as const) {
          const lines = ['Host: localhost', `Sec-Fetch-Site: ${site}`, `Sec-Fetch-Mode: ${mode}`];
          expect(yield* statusWith(address, path, ...lines), lines.join()).toBe(status);
        }
      }, INSPECT));

    it('requests at the same time share a snapshot, and others wait for their turn', () =>
      withHealth(function* (address): Operation<void> {
        const requests = Array.from({ length: 12 }, () => () => snapshotAt(address));
        const snapshots = yield* all(requests);
        expect(new Set(snapshots.map(({ tree }) => tree.atMs)).size).toBeLessThan(12);
        const times = new Set<number>();
        const others = Array.from(
          { length: 4 },
          (_, id) =>
            function* (): Operation<void> {
              times.add((yield* snapshotAt(address, `/tasks?expand=${id}`)).tree.atMs);
            },
        );
        yield* all(others);
        const sorted = [...times].sort((a, b) => a - b);
        expect(sorted).toHaveLength(4);
        // On a real clock, the time of a snapshot is later than its start.
        const pauses = sorted.slice(1).map((time, at) => time - (sorted[at] ?? 0));
        if (!backend.real) expect(Math.min(...pauses)).toBeGreaterThanOrEqual(200);
        // A later request gets a new one.
        const { atMs } = (snapshots[0] as InspectSnapshot).tree;
        while ((yield* snapshotAt(address)).tree.atMs === atMs) yield* sleep(10);
      }, INSPECT));

    it(`a snapshot has less than ${MAX_BYTES} bytes, whatever the names of tasks are`, () =>
      withHealth(function* (address): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          for (let i = 0; i < 2000; i++) {
            const letters = String(i).replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)));
            const name = `${letters}\0"\\\u2028`.repeat(50);
            tasks.spawn(sleepForever, { name, daemon: true });
          }
          const response = yield* get(address, '/tasks');
          expect(Buffer.byteLength(response)).toBeLessThan(MAX_BYTES);
          expect(Buffer.byteLength(response)).toBeGreaterThan(100_000);
        });
      }, INSPECT));

    it('/tasks?expand= shows the children of a task one by one', () =>
      withHealth(function* (address): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          for (let i = 0; i < 3; i++) {
            tasks.spawn(() => sleepForever(), { name: `reader ${i}`, daemon: true });
          }
          const grouped = yield* snapshotAt(address);
          expect(namesIn(grouped)).toContain('reader *');
          const separate = yield* snapshotAt(address, `/tasks?expand=x,${grouped.tree.root?.id}`);
          expect(namesIn(separate)).toEqual(
            expect.arrayContaining(['reader 0', 'reader 1', 'reader 2']),
          );
        });
      }, INSPECT));

    it('a source whose statistics fail makes /tasks return 500, and / still works', () => {
      const broken = {
        stats(): never {
          throw new Error('no statistics');
        },
      };
      return withHealth(
        function* (address): Operation<void> {
          const message = 'The snapshot is not available: Error: no statistics';
          expect(short(yield* get(address, '/tasks'))).toBe(`500 ${message}\n`);
          expect(yield* statusWith(address, '/', 'Host: localhost')).toBe('200');
        },
        { ...INSPECT, servers: { broken } },
      );
    });
  });
}

for (const backend of realBackends) {
  it(`/tasks shows the servers under main and the process on ${backend.name}`, () =>
    runHealth(
      backend,
      function* (address): Operation<void> {
        const snapshot = yield* snapshotAt(address);
        expect(snapshot.pid).toBe(process.pid);
        expect(snapshot.memory.rss).toBeGreaterThan(1_000_000);
        expect(snapshot.servers).toEqual([{ name: 'main', open: 7, closed: { idle: 3 } }]);
      },
      INSPECT,
      { program: new FakeProgram() },
    ));
}

it('a snapshot of 100,000 tasks is grouped', () =>
  runHealth(
    realBackends[0] as TestBackend,
    function* (address): Operation<void> {
      yield* group(function* (tasks): Operation<void> {
        for (let i = 0; i < 100_000; i++) {
          tasks.spawn(sleepForever, { name: `connection ${i}`, daemon: true });
        }
        const response = yield* get(address, '/tasks');
        expect(response.length).toBeLessThan(20_000);
        expect(response).toContain('"name":"connection *"');
      });
    },
    INSPECT,
  ));

describe('health with the option inspect', () => {
  it('rejects an address that is not a loopback address, unless remote is set', () => {
    for (const address of ['0.0.0.0:0', ':0', '[::]:0', '10.0.0.1:80', { port: 0 }] as const) {
      const call = () => health(address, INSPECT);
      expect(call, String(address)).toThrow(
        expect.objectContaining({ code: 'ERR_INSPECT_REMOTE' }) as Error,
      );
      expect(() => health(address, { inspect: { remote: true } })).not.toThrow();
      expect(() => health(address, { inspect: false })).not.toThrow();
    }
    for (const address of [0, '127.0.0.1:0', '127.9.9.9:0', '[::1]:0', '/x.sock'] as const) {
      expect(() => health(address, INSPECT)).not.toThrow();
    }
    expect(() => health({ port: 80 }, INSPECT)).toThrow(/got :80: any machine/);
    expect(() => health('[::ffff:127.0.0.1]:0', INSPECT)).not.toThrow();
    expect(() => health('[::ffff:10.0.0.1]:0', INSPECT)).toThrow(/loopback/);
  });

  it('rejects a name that resolves to an address that is not a loopback address', () =>
    simulate(function* (world): Operation<void> {
      world.host('server', function* (): Operation<void> {
        const error = yield* failure(() => health('server:9090', INSPECT));
        expect(error).toMatchObject({ code: 'ERR_INSPECT_REMOTE' });
        (yield* listen('server:9090')).close();
      });
      yield* sleep(1);
    }).then(() => {}));

  it('rejects invalid options at once', () => {
    expect(() => health(0, { inspect: 1 as never })).toThrow(/`options.inspect` to be a boolean/);
    expect(() => health(0, { inspect: { remote: 1 as never } })).toThrow(/options.inspect.remote/);
    expect(() => health(0, { inspect: { hosts: ['a:1'] } })).toThrow(/options.inspect.hosts/);
    expect(() => health(0, { inspect: { host: 'a' } as object })).toThrow(/did you mean `hosts`/);
  });
});
