/** WebSocket connections between Coronet and Coronet, and with frames that a test writes. */
import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { connect, group, moveOnAfter, select, sleep, timeout } from '../../../src/index.ts';
import type { WebSocketConnection } from '../../../src/ws.ts';
import { connectWs, prepareMessage } from '../../../src/ws.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { eventually, failure, failureCode, together } from '../../support/sockets.ts';
import {
  connectRaw,
  echoMessages,
  maskedFrame,
  readFrames,
  withWs,
  withWsServer,
} from '../../support/websocket.ts';

function ignoreMessages(ws: WebSocketConnection): Operation<unknown> {
  return ws.receive();
}

for (const backend of backends) {
  describe(`a WebSocket connection on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('text and binary messages of any size arrive as they were sent', () => {
      return backend.run(() =>
        withWs(echoMessages, function* (ws): Operation<void> {
          for (const text of ['', 'hello', 'grüße 🙂', 'x'.repeat(125), 'y'.repeat(70_000)]) {
            yield* ws.send(text);
            expect(yield* ws.receive()).toBe(text);
          }
          for (const size of [0, 1, 125, 126, 65_535, 65_536, 900_000]) {
            const data = pattern(size, size);
            yield* ws.send(data);
            const answer = (yield* ws.receive()) as Buffer;
            expect(digest(answer)).toBe(digest(data));
          }
          yield* ws.close();
          expect(ws.closeCode).toBe(1000);
        }),
      );
    });

    it('a client that closes is answered, and the server sees its code and its reason', () => {
      const seen: unknown[] = [];
      return backend.run(() =>
        withWs(
          function* (ws): Operation<void> {
            seen.push(yield* ws.receive(), ws.closeCode, ws.closeReason);
            seen.push(yield* ws.receive());
          },
          function* (ws, server): Operation<void> {
            yield* ws.close(4001, 'gone');
            expect(ws.closeCode).toBe(4001);
            yield* eventually('the connection ends', () => server.stats().open === 0);
            expect(seen).toEqual([null, 4001, 'gone', null]);
            expect(yield* failureCode(() => ws.send('late'))).toBe('ERR_WS_CLOSED');
          },
        ),
      );
    });

    it('a handler that returns closes with 1000, and one that fails with 1011', () => {
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            if ((yield* ws.receive()) === 'fail') throw new Error('a fault of the program');
          },
          function* (_server, url): Operation<void> {
            for (const [text, code] of [
              ['return', 1000],
              ['fail', 1011],
            ] as const) {
              using ws = yield* connectWs(url);
              yield* ws.send(text);
              expect(yield* ws.receive()).toBeNull();
              expect(ws.closeCode).toBe(code);
            }
          },
          { onError() {} },
        ),
      );
    });

    it('a drain closes idle connections with 1001 and ends when the peers have answered', () => {
      return backend.run(() =>
        withWs(echoMessages, function* (ws, server): Operation<void> {
          yield* ws.send('x');
          yield* ws.receive();
          server.stop();
          expect(yield* ws.receive()).toBeNull();
          expect([ws.closeCode, ws.closeReason]).toEqual([1001, 'going away']);
          yield* ws.close();
          yield* eventually('the drain ends', () => server.stats().open === 0);
        }),
      );
    });

    it('a drain closes a busy connection after its handler has answered', () => {
      let isBusy = false;
      return backend.run(() =>
        withWs(
          function* (ws): Operation<void> {
            while ((yield* ws.receive()) !== null) {
              isBusy = true;
              yield* sleep(20);
              yield* ws.send('the answer');
            }
          },
          function* (ws, server): Operation<void> {
            yield* ws.send('a request');
            yield* eventually('the handler works', () => isBusy);
            server.stop();
            expect(yield* ws.receive()).toBe('the answer');
            expect(yield* ws.receive()).toBeNull();
            expect(ws.closeCode).toBe(1001);
            yield* ws.close();
            yield* eventually('the drain ends', () => server.stats().open === 0);
            expect(server.stats().failed).toBe(0);
          },
        ),
      );
    });

    it('fragments are joined, with control frames between them', () => {
      return backend.run(() =>
        withWsServer(echoMessages, function* (server): Operation<void> {
          using socket = yield* connectRaw(server);
          yield* socket.sendAll(
            Buffer.concat([
              maskedFrame(0x01, 'one '),
              maskedFrame(0x89, 'ping'),
              maskedFrame(0x00, 'two '),
              maskedFrame(0x80, 'three'),
              maskedFrame(0x88, Uint8Array.of(3, 232)),
            ]),
          );
          const frames = yield* readFrames(socket);
          expect(frames.slice(0, 2)).toEqual([
            [0x8a, 'ping'],
            [0x81, 'one two three'],
          ]);
          expect(frames[2]?.[0]).toBe(0x88);
        }),
      );
    });

    it('bytes that arrive one at a time make the same messages', () => {
      return backend.run(() =>
        withWsServer(echoMessages, function* (server): Operation<void> {
          using socket = yield* connectRaw(server);
          const bytes = Buffer.concat([maskedFrame(0x81, 'héllo'), maskedFrame(0x88, '')]);
          for (const byte of bytes) {
            yield* socket.sendAll(Uint8Array.of(byte));
            yield* sleep(1);
          }
          expect(yield* readFrames(socket)).toEqual([
            [0x81, 'héllo'],
            [0x88, '\u0003\ufffd'],
          ]);
        }),
      );
    });

    const faults: readonly (readonly [name: string, frames: Buffer, code: number])[] = [
      ['a frame without a mask', Buffer.from([0x81, 1, 97]), 1002],
      ['a reserved bit', maskedFrame(0xc1, 'x'), 1002],
      ['an unknown opcode', maskedFrame(0x83, 'x'), 1002],
      ['a fragmented ping', maskedFrame(0x09, 'x'), 1002],
      ['a ping above 125 bytes', maskedFrame(0x89, 'x'.repeat(126)), 1002],
      ['a continuation without a beginning', maskedFrame(0x80, 'x'), 1002],
      [
        'a new message within a fragmented one',
        Buffer.concat([maskedFrame(0x01, 'x'), maskedFrame(0x81, 'y')]),
        1002,
      ],
      ['text that is not UTF-8', maskedFrame(0x81, Uint8Array.of(0xff)), 1007],
      [
        'invalid UTF-8 that is split over frames',
        Buffer.concat([
          maskedFrame(0x01, Uint8Array.of(0xe2)),
          maskedFrame(0x80, Uint8Array.of(0x28)),
        ]),
        1007,
      ],
      ['a close code that is not allowed', maskedFrame(0x88, Uint8Array.of(3, 237)), 1002],
      ['a close frame with one byte', maskedFrame(0x88, Uint8Array.of(3)), 1002],
      ['a message above the limit', maskedFrame(0x82, pattern(2000)), 1009],
      [
        'fragments above the limit together',
        Buffer.concat([maskedFrame(0x02, pattern(600)), maskedFrame(0x80, pattern(600))]),
        1009,
      ],
      [
        'too many fragments',
        Buffer.concat([
          maskedFrame(0x01, ''),
          ...Array.from({ length: 9 }, () => maskedFrame(0, '')),
        ]),
        1008,
      ],
    ];
    for (const [name, bytes, code] of faults) {
      it(`${name} ends the connection with ${code}`, () => {
        let seen: unknown;
        return backend.run(() =>
          withWsServer(
            function* (ws): Operation<void> {
              seen = yield* failure(() => ws.receive());
              throw seen;
            },
            function* (server): Operation<void> {
              using socket = yield* connectRaw(server);
              yield* socket.sendAll(bytes);
              const [frame] = yield* readFrames(socket);
              expect(frame?.[0]).toBe(0x88);
              expect(seen).toMatchObject({ code: 'ERR_WS_PROTOCOL', closeCode: code });
            },
            { maxMessageBytes: 1000, maxFragments: 8, onError() {} },
          ),
        );
      });
    }

    it('a stream that ends without a close frame is ERR_WS_ABNORMAL_CLOSURE', () => {
      const codes: unknown[] = [];
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            const error = yield* failure(() => ws.receive());
            codes.push(error.code);
            throw error;
          },
          function* (server): Operation<void> {
            const socket = yield* connectRaw(server);
            yield* socket.sendAll(maskedFrame(0x81, 'whole').subarray(0, 8));
            socket.close();
            yield* eventually('the connection ends', () => server.stats().open === 0);
            expect(codes).toEqual(['ERR_WS_ABNORMAL_CLOSURE']);
            const { failed, resetByPeer } = server.stats();
            expect({ failed, resetByPeer }).toEqual({ failed: 0, resetByPeer: 1 });
          },
        ),
      );
    });

    it('a peer that ends without a close frame is counted as a reset, not as a failure', () => {
      return backend.run(() =>
        withWsServer(echoMessages, function* (server): Operation<void> {
          const socket = yield* connectRaw(server);
          socket.close();
          yield* eventually('the connection ends', () => server.stats().closed.peerReset === 1);
          expect(server.stats().failed).toBe(0);
        }),
      );
    });

    it('a receive that is interrupted in the middle of a message has consumed nothing', () => {
      const received: unknown[] = [];
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            while (received.length < 2) {
              const message = yield* moveOnAfter(2, () => ws.receive());
              if (message !== undefined) received.push(message);
            }
          },
          function* (server): Operation<void> {
            using socket = yield* connectRaw(server);
            const bytes = Buffer.concat([maskedFrame(0x81, 'first'), maskedFrame(0x81, 'second')]);
            for (let at = 0; at < bytes.length; at += 5) {
              yield* socket.sendAll(bytes.subarray(at, at + 5));
              yield* sleep(5);
            }
            yield* eventually('both messages arrive', () => received.length === 2);
            expect(received).toEqual(['first', 'second']);
          },
        ),
      );
    });

    it('a select receives or does something else, and loses no message', () => {
      return backend.run(() =>
        withWs(echoMessages, function* (ws): Operation<void> {
          const first = yield* select({ message: ws.receive(), late: sleep(5) });
          expect(first.key).toBe('late');
          yield* ws.send('x');
          const { value } = yield* select({ message: ws.receive(), late: sleep(10_000) });
          expect(value).toBe('x');
        }),
      );
    });

    it('several tasks send whole messages on one connection', () => {
      const big = 'b'.repeat(300_000);
      return backend.run(() =>
        withWs(
          function* (ws): Operation<void> {
            yield* group(function* (tasks): Operation<void> {
              for (let i = 0; i < 10; i++) tasks.spawn(() => ws.send(i % 2 === 0 ? big : `${i}`));
            });
          },
          function* (ws): Operation<void> {
            const lengths: number[] = [];
            for (;;) {
              const message = yield* ws.receive();
              if (message === null) break;
              lengths.push(message.length);
            }
            expect(lengths).toEqual([300_000, 1, 300_000, 1, 300_000, 1, 300_000, 1, 300_000, 1]);
          },
        ),
      );
    });

    it('a peer that does not read makes the sender wait, and is cut by the server', () => {
      let sent = 0;
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            for (;;) {
              yield* ws.send(pattern(100_000));
              sent++;
            }
          },
          function* (server): Operation<void> {
            using socket = yield* connectRaw(server);
            yield* eventually('the server ends it', () => server.stats().open === 0);
            expect(server.stats().closed.sendStallTimeoutMs).toBe(1);
            expect(sent).toBeLessThan(200);
            socket.close();
          },
          { sendStallTimeoutMs: 200 },
        ),
      );
    });

    // The buffers of a real system hold the answers to thousands of pings.
    it.skipIf(backend.real)('pings of a peer that does not read are not queued', () => {
      const count = 6000;
      const received = { messages: 0 };
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            while ((yield* ws.receive()) !== null) received.messages++;
          },
          function* (server): Operation<void> {
            using socket = yield* connectRaw(server);
            const ping = maskedFrame(0x89, 'p'.repeat(125));
            for (let i = 0; i < count; i++) yield* socket.sendAll(ping);
            yield* socket.sendAll(maskedFrame(0x81, 'end'));
            yield* eventually('the server has read them', () => received.messages === 1);
            yield* socket.sendAll(maskedFrame(0x88, ''));
            const frames = yield* readFrames(socket);
            expect(frames.at(-1)?.[0]).toBe(0x88);
            expect(frames.length).toBeLessThan(count / 2);
          },
        ),
      );
    });

    it('a silent peer is pinged, and lost if it does not answer', () => {
      const codes: unknown[] = [];
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            codes.push(yield* failureCode(() => ws.receive()));
          },
          function* (server): Operation<void> {
            using socket = yield* connectRaw(server);
            const head = yield* socket.reader().readExactly(2);
            expect([...(head as Buffer)]).toEqual([0x89, 0]);
            yield* eventually('the connection is lost', () => codes.length === 1);
            expect(codes).toEqual(['ERR_WS_ABNORMAL_CLOSURE']);
          },
          { pingIntervalMs: 20, pongTimeoutMs: 50 },
        ),
      );
    });

    it('a peer that answers pings stays connected, also while the server does not receive', () => {
      return backend.run(() =>
        withWs(
          function* (ws): Operation<void> {
            yield* sleep(600);
            yield* echoMessages(ws);
          },
          function* (ws): Operation<void> {
            yield* moveOnAfter(900, () => ws.receive());
            yield* ws.send('still here');
            expect(yield* ws.receive()).toBe('still here');
          },
          { server: { pingIntervalMs: 20, pongTimeoutMs: 400 } },
        ),
      );
    });

    it('a close that the peer does not answer ends after closeTimeoutMs', () => {
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            yield* ws.close(1000, 'bye');
          },
          function* (server): Operation<void> {
            using socket = yield* connectRaw(server);
            yield* eventually('the connection ends', () => server.stats().open === 0);
            socket.close();
          },
          { closeTimeoutMs: 30 },
        ),
      );
    });

    it('a prepared message is framed once and reaches every client', () => {
      const clients = new Set<WebSocketConnection>();
      return backend.run(() =>
        withWsServer(
          function* (ws): Operation<void> {
            clients.add(ws);
            yield* ignoreMessages(ws);
          },
          function* (_server, url): Operation<void> {
            using one = yield* connectWs(url);
            using two = yield* connectWs(url);
            yield* eventually('both are there', () => clients.size === 2);
            const message = prepareMessage('to all');
            for (const ws of clients) yield* ws.send(message);
            expect([yield* one.receive(), yield* two.receive()]).toEqual(['to all', 'to all']);
            expect(() => one.send(message)).toThrow(TypeError);
          },
        ),
      );
    });

    it('codes and reasons that a program must not send are rejected', () => {
      return backend.run(() =>
        withWs(echoMessages, function* (ws): Operation<void> {
          for (const code of [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5]) {
            expect(() => ws.close(code)).toThrow(RangeError);
          }
          expect(() => ws.close(1000, 'é'.repeat(62))).toThrow(RangeError);
          expect(() => ws.send(7 as never)).toThrow(TypeError);
          yield* ws.close(3000, 'é'.repeat(61));
        }),
      );
    });

    it('requests in a row are pipelined through one connection', () => {
      return backend.run(() =>
        timeout(20_000, () =>
          withWs(echoMessages, function* (ws): Operation<void> {
            yield* together(
              function* (): Operation<void> {
                for (let i = 0; i < 3000; i++) yield* ws.send(`${i}`);
              },
              function* (): Operation<void> {
                for (let i = 0; i < 3000; i++) expect(yield* ws.receive()).toBe(`${i}`);
              },
            );
          }),
        ),
      );
    });

    it('a connection without an upgrade request is closed without a failure', () => {
      const errors: unknown[] = [];
      return backend.run(() =>
        withWsServer(
          echoMessages,
          function* (server): Operation<void> {
            using socket = yield* connect(server.address);
            yield* socket.sendAll('HELO example.org\r\n\r\n');
            expect(String(yield* socket.reader().readLine())).toBe('HTTP/1.1 400 Bad Request');
            socket.close();
            yield* eventually('it ends', () => server.stats().open === 0);
            expect(errors).toEqual([]);
          },
          { onError: (error) => void errors.push(error) },
        ),
      );
    });
  });
}
