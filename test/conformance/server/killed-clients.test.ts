/** A server whose client processes are killed. */
import { describe, expect, it } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import type { Process } from '../../support/process/process.ts';
import { endProcesses, startNode } from '../../support/process/process.ts';
import { ask, untilAllClosed, withServer } from '../../support/servers.ts';
import { eventually } from '../../support/sockets.ts';

/** Bytes that the server has received from its clients when they are killed. */
const RECEIVED_BYTES = [
  0, 1, 9_999, 10_000, 30_000, 100_000, 200_000, 400_000, 700_000, 1_500_000, 3_000_000,
];

for (const backend of backends.filter(({ real }) => real)) {
  describe(`a server on ${backend.name} whose clients are killed`, () => {
    expectNothingLeft(backend);
    endProcesses();

    it('serves other clients, at any point of an exchange', async () => {
      const failures: unknown[] = [];
      const clients = new KilledClients();
      await backend.run(() =>
        withServer(
          (socket) => countingEcho(socket, clients),
          function* (server): Operation<void> {
            for (const limit of RECEIVED_BYTES) {
              clients.start(limit, server);
              yield* eventually('the clients have been killed', () => clients.ended);
            }
            expect(yield* ask(server, 'hello')).toBe('hello');
            yield* untilAllClosed(server);
            expect(server.stats().failed).toBe(0);
            expect(server.stats().accepted).toBeGreaterThan(5 * RECEIVED_BYTES.length);
          },
          { onError: (error) => failures.push(error) },
        ),
      );
      expect(failures).toEqual([]);
    });
  });
}

/** A process that is killed when the server has received a number of bytes. */
class KilledClients {
  #process: Process | undefined;
  #limit = 0;
  #bytes = 0;

  /** Starts clients of `server`, which are killed once it has received `limit` bytes. */
  start(limit: number, server: Server): void {
    this.#limit = limit;
    this.#bytes = 0;
    const { port } = server.address;
    this.#process = startNode(import.meta.url, '../programs/flood.mjs', `${port}`, '15');
  }

  /** The server has received `bytes` more. */
  received(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= this.#limit) this.#process?.child.kill('SIGKILL');
  }

  get ended(): boolean {
    return this.#process?.ended === true;
  }
}

function* countingEcho(socket: Socket, clients: KilledClients): Operation<void> {
  clients.received(0);
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    clients.received(data.length);
    yield* socket.sendAll(data);
  }
}
