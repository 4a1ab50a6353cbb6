/** `coronet serve` with an inherited socket. */
import { once } from 'node:events';
import type { AddressInfo, ListenOptions } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { askLine, ownFolder, untilEvent, write } from '../support/process/worker-processes.ts';

const folder = ownFolder();
const COMMAND = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** As under systemd: the descriptor is 3, and LISTEN_PID is the process itself. */
const AS_SYSTEMD = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"';

/** Starts `coronet serve ARGS` with an inherited listener. Returns the process and the port. */
async function startWithSocket(
  at: ListenOptions,
  ...args: readonly string[]
): Promise<[Process, number]> {
  const server = createServer().listen(at);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { fd } = (server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const given = ['-c', AS_SYSTEMD, 'sh', process.execPath, COMMAND, 'serve', ...args];
  const child = new Process('sh', given, { stdio: ['pipe', 'pipe', 'pipe', fd] });
  server.close();
  return [child, port];
}

for (const { name: backend } of realBackends.filter(() => process.platform !== 'win32')) {
  describe(`coronet serve with an inherited socket, on ${backend}`, () => {
    endProcesses();

    it.each([[[]], [['--workers', '2']]])(
      'uses the inherited socket instead of --port: %j',
      async (more) => {
        const text = `export default function* (socket) {
        yield* socket.recv();
        yield* socket.sendAll('here');
      }`;
        const file = write(folder, 'handler.mjs', text);
        const args = [file, '--port', '1', '--json', '--backend', backend, ...more];
        const [child, port] = await startWithSocket({ host: '127.0.0.1', port: 0 }, ...args);
        expect(await untilEvent(child, 'listening')).toMatchObject({ host: '127.0.0.1', port });
        expect(await askLine(port)).toBe('here');
        child.child.kill('SIGTERM');
        expect(await child.exit).toEqual({ code: 0, signal: null });
      },
    );

    it('reports the path of a Unix socket', async () => {
      const path = join(folder, `${backend}.sock`);
      const file = write(folder, 'silent.mjs', 'export default function* () {}');
      const [child] = await startWithSocket({ path }, file, '--json', '--backend', backend);
      expect(await untilEvent(child, 'listening')).toMatchObject({ path });
    });
  });
}
