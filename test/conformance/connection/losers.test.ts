import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { all, any, connect, group, listen, race } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK } from '../../support/sockets.ts';

/** Accepts a connection and fails. */
function* acceptAndFail(listener: Listener): Operation<never> {
  using _peer = yield* listener.accept();
  throw new Error('a sibling failed');
}

for (const backend of backends) {
  describe(`a socket that no task receives, on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('is closed if it connected after another one had won', () =>
      backend.run(function* (): Operation<void> {
        using first = yield* listen(LOOPBACK);
        using second = yield* listen(LOOPBACK);
        const addresses = [first.address, second.address];
        for (const combine of [any, race]) {
          using socket = yield* combine(addresses.map((address) => connect(address)));
          const winner = `${socket.remoteAddress}` === `${first.address}` ? first : second;
          const loser = winner === first ? second : first;
          const peers: Socket[] = [];
          yield* group(function* (g) {
            g.spawn(
              function* () {
                for (;;) peers.push(yield* loser.accept());
              },
              { daemon: true },
            );
            using peer = yield* winner.accept();
            yield* socket.sendAll('won');
            expect(String(yield* peer.recv())).toBe('won');
          });
          for (const peer of peers) {
            const end = yield* failureOrEnd(peer);
            expect(['', 'ECONNRESET']).toContain(end);
            peer.close();
          }
        }
      }));

    it('is closed if a sibling in all fails', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const members = [connect(listener.address), acceptAndFail(listener)];
        expect(yield* failure(() => all<unknown[]>(members))).toMatchObject({
          message: 'a sibling failed',
        });
      }));
  });
}

/** The code of the error that ends `peer`; '' at its end of file. */
function* failureOrEnd(peer: Socket): Operation<unknown> {
  try {
    return String(yield* peer.recv());
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}
