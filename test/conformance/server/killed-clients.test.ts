import { describe, expect, it } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import type { Process } from '../../support/process/process.ts';
import { endProcesses, startNode } from '../../support/process/process.ts';
import { ask, untilNobodyIsLeft, withServer } from '../../support/servers.ts';
import { eventually } from '../../support/sockets.ts';

/** How many bytes of its clients the server has received when they are killed. */
const MOMENTS = [
  0, 1, 9_999, 10_000, 30_000, 100_000, 200_000, 400_000, 700_000, 1_500_000, 3_000_000,
];

for (const backend of backends.filter(({ real }) => real)) {
  describe(`a server and other processes on ${backend.name}`, () => {
    expectNothingLeft(backend);
    endProcesses();

    it('survives the death of its clients at any moment', async () => {
      const failures: unknown[] = [];
      const victim = new Victim();
      await backend.run(() =>
        withServer(
          (socket) => watchedEcho(socket, victim),
          function* (server): Operation<void> {
            for (const moment of MOMENTS) {
              victim.begin(moment, server);
              yield* eventually('the clients are dead', () => victim.dead);
            }
            expect(yield* ask(server, 'still there?')).toBe('still there?');
            yield* untilNobodyIsLeft(server);
            expect(server.stats().failed).toBe(0);
            expect(server.stats().accepted).toBeGreaterThan(5 * MOMENTS.length);
          },
          { onError: (error) => failures.push(error) },
        ),
      );
      expect(failures).toEqual([]);
    });
  });
}

/** A process that is killed at a certain moment. */
class Victim {
  #process: Process | undefined;
  #moment = 0;
  #received = 0;

  /** Starts clients of `server`, to be killed when it has received `moment` bytes of them. */
  begin(moment: number, server: Server): void {
    this.#moment = moment;
    this.#received = 0;
    const { port } = server.address;
    this.#process = startNode(import.meta.url, '../programs/flood.mjs', `${port}`, '15');
  }

  /** The server has received `bytes` more. */
  heard(bytes: number): void {
    this.#received += bytes;
    if (this.#received >= this.#moment) this.#process?.child.kill('SIGKILL');
  }

  get dead(): boolean {
    return this.#process?.ended === true;
  }
}

function* watchedEcho(socket: Socket, victim: Victim): Operation<void> {
  victim.heard(0);
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    victim.heard(data.length);
    yield* socket.sendAll(data);
  }
}
