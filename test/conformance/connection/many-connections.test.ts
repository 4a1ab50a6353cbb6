import { describe, expect, it } from 'vitest';
import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, group, listen } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { LOOPBACK, receiveExactly, together } from '../../support/sockets.ts';

const CONNECTIONS = 10_000;
const CLIENTS = 50;
const PAIRS = 2000;

for (const backend of backends) {
  describe(`many connections on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('ten thousand short connections reuse descriptors without mixing up bytes', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        yield* group(function* (tasks): Operation<void> {
          tasks.spawn(() => answerAll(listener), { daemon: true });
          for (let client = 0; client < CLIENTS; client++)
            tasks.spawn(() => askMany(listener, client));
        });
      }));

    it('two thousand connections are open at the same time, and each one echoes', () =>
      backend.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        const near: Socket[] = [];
        const far: Socket[] = [];
        try {
          yield* together(
            () => connectEach(listener, near),
            () => acceptEach(listener, far),
          );
          expect(backend.counters()).toMatchObject({ transports: 2 * PAIRS, listeners: 1 });
          yield* together(
            ...far.map((socket) => () => echoThrice(socket)),
            ...near.map((socket, i) => () => askThrice(socket, i)),
          );
        } finally {
          for (const socket of [...near, ...far]) socket.close();
        }
      }));
  });
}

/** Echoes the number that each connection carries, in one task per connection. */
function* answerAll(listener: Listener): Operation<void> {
  yield* group(function* (tasks): Operation<void> {
    for (;;) {
      const socket = yield* listener.accept();
      tasks.spawn(() => answer(socket));
    }
  });
}

function* answer(socket: Socket): Operation<void> {
  try {
    const number = (yield* receiveExactly(socket, 4)).readUInt32LE();
    yield* socket.sendAll(bytesOf(~number >>> 0));
  } finally {
    socket.close();
  }
}

function* askMany(listener: Listener, client: number): Operation<void> {
  for (let i = client; i < CONNECTIONS; i += CLIENTS) {
    using socket = yield* connect(listener.address);
    yield* socket.sendAll(bytesOf(i));
    const answered = (yield* receiveExactly(socket, 4)).readUInt32LE();
    if (answered !== ~i >>> 0) expect.fail(`connection ${i} was answered ${answered}`);
    if ((yield* socket.recv()).length > 0) expect.fail(`connection ${i} got bytes of another`);
  }
}

function bytesOf(number: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(number);
  return bytes;
}

function* connectEach(listener: Listener, near: Socket[]): Operation<void> {
  for (let i = 0; i < PAIRS; i++) near.push(yield* connect(listener.address));
}

function* acceptEach(listener: Listener, far: Socket[]): Operation<void> {
  for (let i = 0; i < PAIRS; i++) far.push(yield* listener.accept());
}

function* echoThrice(socket: Socket): Operation<void> {
  for (let i = 0; i < 3; i++) yield* socket.sendAll(yield* socket.recv());
}

function* askThrice(socket: Socket, number: number): Operation<void> {
  for (let i = 0; i < 3; i++) {
    const text = `message ${i} of connection ${number}`;
    yield* socket.sendAll(text);
    const answered = String(yield* receiveExactly(socket, text.length));
    if (answered !== text) expect.fail(`'${text}' was answered '${answered}'`);
  }
}
