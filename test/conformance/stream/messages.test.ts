/** Messages and automatic flushes over real and simulated connections. */
import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { connect, json, lengthPrefixed, lines, messages } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withServer } from '../../support/servers.ts';
import { receiveAll, together, withPair, withTightPair } from '../../support/sockets.ts';

const FRAMES = lengthPrefixed({ bytes: 4, max: 1_000_000 });

/** Answers each line, and the last one after end of file, without a flush. */
function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader();
  const writer = socket.writer({ autoFlush: true });
  for (let line = yield* reader.readLine(); line !== null; line = yield* reader.readLine()) {
    writer.write(`${line.toUpperCase()}\n`);
  }
  writer.write('BYE\n');
}

for (const backend of backends) {
  describe(`messages on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('messages of any size arrive in order while the peer answers each of them', () => {
      const sizes = [0, 1, 1000, 4096, 70_000, 999_999, 3, 65_536];
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const client = messages(near, FRAMES);
          const server = messages(far, FRAMES);
          yield* together(
            function* (): Operation<void> {
              for (const size of sizes) yield* client.send(pattern(size, size));
              near.shutdown('send');
            },
            function* (): Operation<void> {
              for (const size of sizes) {
                const message = yield* server.receive();
                expect(message?.length).toBe(size);
                yield* server.send(digest(message as Buffer));
              }
              expect(yield* server.receive()).toBeNull();
            },
            function* (): Operation<void> {
              for (const size of sizes) {
                expect(String(yield* client.receive())).toBe(digest(pattern(size, size)));
              }
            },
          );
        }),
      );
    });

    it('batches carry all messages through a connection with little buffer space', () => {
      const count = 3000;
      return backend.run(() =>
        withTightPair(function* (near, far): Operation<void> {
          const codec = json<{ readonly n: number }>(lines({ max: 1000 }));
          yield* together(
            function* (): Operation<void> {
              const values = Array.from({ length: count }, (_, n) => ({ n }));
              yield* messages(near, codec).sendBatch(values);
              near.close();
            },
            function* (): Operation<void> {
              const stream = messages(far, codec);
              let expected = 0;
              for (;;) {
                const batch = yield* stream.receiveBatch();
                if (batch.length === 0) break;
                for (const { n } of batch) expect(n).toBe(expected++);
              }
              expect(expected).toBe(count);
            },
          );
        }),
      );
    });

    it('a server with autoFlush answers every request, and flushes after its handler', () => {
      return backend.run(() =>
        withServer(shout, function* (server): Operation<void> {
          using client = yield* connect(server.address);
          const stream = messages(client, lines({ max: 100 }));
          yield* stream.send('one by one');
          expect(yield* stream.receive()).toBe('ONE BY ONE');
          const many = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
          yield* together(
            function* (): Operation<void> {
              yield* stream.sendBatch(many);
              client.shutdown('send');
            },
            function* (): Operation<void> {
              const text = String(yield* receiveAll(client));
              const answers = [...many, 'bye'].map((line) => `${line.toUpperCase()}\n`);
              expect(text).toBe(answers.join(''));
            },
          );
          expect(server.stats().failed).toBe(0);
        }),
      );
    });
  });
}
