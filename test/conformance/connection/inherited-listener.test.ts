/** Listening sockets that a process has inherited as descriptors. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, renameSync, rmSync } from 'node:fs';
import type { ListenOptions, Server, Socket } from 'node:net';
import { connect as connectPlain, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Address, Operation } from '../../../src/index.ts';
import { bindDatagram, connect, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { endProcesses, Process } from '../../support/process/process.ts';
import { failure } from '../../support/sockets.ts';

const program = fileURLToPath(new URL('../programs/inherited.mjs', import.meta.url));

/** `$$` is the process id, which `exec` keeps. */
const AS_SYSTEMD = 'LISTEN_PID=$$ exec "$@"';

const open: { close(): void }[] = [];
const folders: string[] = [];

interface WithHandle {
  readonly _handle: { readonly fd: number } | null;
}

function fdOf(owner: object): number {
  const { _handle: handle } = owner as WithHandle;
  if (handle === null) throw new Error('Expected a socket that is open');
  return handle.fd;
}

async function listening(options: ListenOptions): Promise<Server> {
  const server = createServer();
  open.push(server);
  server.listen(options);
  await once(server, 'listening');
  return server;
}

/** Starts the program with copies of the listeners' descriptors, and closes the originals. */
function inherit(backend: string, servers: readonly Server[], env = {}): Process {
  const command = ['-c', 'LISTEN_FDS' in env ? AS_SYSTEMD : 'exec "$@"', 'sh', process.execPath];
  const stdio = ['pipe', 'pipe', 'pipe', ...servers.map(fdOf)] as const;
  const quiet = { CORONET_DEBUG: '', ...env }; // Debug mode reports long steps.
  const child = new Process('sh', [...command, program, backend], {
    env: quiet,
    stdio: [...stdio],
  });
  for (const server of servers) server.close();
  return child;
}

async function answer(socket: Socket): Promise<string> {
  socket.write('Hello');
  const [data] = await once(socket, 'data');
  socket.destroy();
  return String(data);
}

async function expectCleanExit(child: Process): Promise<void> {
  child.child.kill('SIGTERM');
  expect(await child.exit).toEqual({ code: 0, signal: null });
  expect(child.stderr).toBe('');
}

for (const backend of backends.filter(({ real }) => real && process.platform !== 'win32')) {
  describe(`an inherited listener on ${backend.name}`, () => {
    expectNothingLeft(backend);
    endProcesses();
    afterEach(() => {
      for (const each of open.splice(0)) each.close();
      for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
    });

    it('an inherited listener accepts its queued connections, and is adopted once', async () => {
      const server = await listening({ host: '127.0.0.1', port: 0 });
      const { port } = server.address() as { port: number };
      const child = inherit(backend.name, [server]);
      const early = connectPlain(port, '127.0.0.1');
      await child.until('it serves', () => child.lines.length === 3);
      expect(child.lines[0]).toBe(`3 127.0.0.1:${port}`);
      expect(child.lines[1]).toMatch(/^EBUSY .*descriptor 3: .* already uses it$/);
      expect(await answer(early)).toBe('Hello');
      expect(await answer(connectPlain(port, '127.0.0.1'))).toBe('Hello');
      await child.until('both are answered', () => child.lines.length === 5);
      expect(child.lines.slice(3)).toEqual(['noDelay true', 'noDelay true']);
      await expectCleanExit(child);
    });

    it('an inherited listener may be IPv6, a path, or named by systemd', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'coronet-inherited-'));
      folders.push(folder);
      const path = join(folder, 'x.sock');
      const unix = await listening({ path });
      const tcp = await listening({ host: '::1', port: 0 });
      const { port } = tcp.address() as { port: number };
      renameSync(path, `${path}.aside`); // libuv unlinks the path when the parent closes.
      const env = { LISTEN_FDS: '2', LISTEN_FDNAMES: 'local' };
      const child = inherit(backend.name, [unix, tcp], env);
      renameSync(`${path}.aside`, path);
      await child.until('it serves', () => child.lines.length === 4);
      const named = process.platform === 'linux' ? path : '';
      expect(child.lines.slice(0, 2)).toEqual([`local ${named}`, `unknown [::1]:${port}`]);
      expect(child.lines[3]).toBe('left ');
      expect(await answer(connectPlain(path))).toBe('Hello');
      expect(await answer(connectPlain(port, '::1'))).toBe('Hello');
      await expectCleanExit(child);
      expect(existsSync(path)).toBe(true);
    });

    it('a closed descriptor cannot be adopted', () =>
      backend.run(function* (): Operation<void> {
        const error = yield* failure(() => listen({ fd: 99_999 }));
        expect(error).toMatchObject({ code: 'EBADF', syscall: 'listen' });
        expect(error.message).toMatch(/descriptor 99999: it is not open/);
      }));

    it('a file cannot be adopted and stays open', () =>
      backend.run(function* (): Operation<void> {
        const fd = openSync(program, 'r');
        expect((yield* failure(() => listen({ fd }))).code).toBe('ENOTSOCK');
        closeSync(fd); // Throws if it is already closed.
      }));

    it.runIf(process.platform === 'linux')(
      'a connection or a datagram socket cannot be adopted and continues to work',
      async () => {
        const server = await listening({ host: '127.0.0.1', port: 0 });
        server.on('connection', (socket) => socket.pipe(socket));
        const { port } = server.address() as { port: number };
        const socket = connectPlain(port, '127.0.0.1');
        const datagrams = createSocket('udp4');
        open.push(datagrams);
        datagrams.bind(0, '127.0.0.1');
        await Promise.all([once(socket, 'connect'), once(datagrams, 'listening')]);
        await backend.run(function* (): Operation<void> {
          for (const fd of [fdOf(socket), datagramFd(datagrams)]) {
            expect((yield* failure(() => listen({ fd }))).code).toBe('EINVAL');
          }
        });
        expect(datagrams.address().port).toBeGreaterThan(0);
        expect(await answer(socket)).toBe('Hello');
      },
    );

    it('an inherited listener has only TLS options, and only listen takes it', () =>
      backend.run(function* (): Operation<void> {
        const backlog = () => listen({ fd: 3 }, { backlog: 5 });
        expect(backlog).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
        expect(() => listen({ fd: -1 })).toThrow(/`address.fd`/);
        expect(() => listen({ fd: 3, port: 1 } as Address)).toThrow(/`address.port`/);
        for (const take of [connect, bindDatagram]) {
          const wrong = () => take({ fd: 3 });
          expect(wrong).toThrow(expect.objectContaining({ code: 'ERR_ADDRESS' }));
        }
      }));
  });
}

function datagramFd(socket: object): number {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => {
    return description === 'state symbol';
  });
  const state = (socket as Record<symbol, { handle: { fd: number } }>)[symbol as symbol];
  return (state as { handle: { fd: number } }).handle.fd;
}
