import { once as eventOf } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createNetServer, connect as netConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { receiveAll, runWithPair } from '../../../test/support/sockets.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { group } from '../../kernel/task/group.ts';
import { pause, sleep } from '../../kernel/waits.ts';
import { connect } from '../../net/tcp/connect.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import { run } from '../../node/run.ts';
import { tcpServer } from '../../server/serve.ts';
import { once } from '../once.ts';
import { until } from '../until.ts';
import { toDuplex } from './duplex.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'coronet-duplex-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const backends = ['portable', 'auto'] as const;

/** A megabyte of data without repetitions. */
const BULK = Buffer.from(
  Uint32Array.from({ length: 1 << 18 }, (_, index) => index * 2654435761).buffer,
);

/** Runs `body` with both ends of a connection, which are closed afterwards. */
function withPair(
  backend: 'portable' | 'auto',
  body: (near: Socket, far: Socket) => Operation<unknown>,
): Promise<unknown> {
  return runWithPair(body, { backend });
}

describe.each(backends)('toDuplex on the backend %s', (backend) => {
  it('transfers bytes and the end of file in both directions', async () => {
    await withPair(backend, function* (near, far) {
      const stream = toDuplex(near);
      yield* far.sendAll('question');
      far.shutdown();
      const seen: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => seen.push(chunk));
      yield* once(stream, 'end');
      expect(Buffer.concat(seen).toString()).toBe('question');
      stream.end('answer');
      expect((yield* receiveAll(far)).toString()).toBe('answer');
      if (!stream.closed) yield* once(stream, 'close');
      expect(near.closed).toBe(true);
    });
  });

  it('compresses a file through pipeline, from socket to socket', async () => {
    const from = join(directory, `from-${backend}`);
    const to = join(directory, `to-${backend}`);
    writeFileSync(from, BULK);
    await withPair(backend, (near, far) =>
      group(function* (g) {
        g.spawn(() => until(pipeline(createReadStream(from), createGzip(), toDuplex(near))));
        yield* until(pipeline(toDuplex(far), createWriteStream(to)));
      }),
    );
    expect(gunzipSync(readFileSync(to)).equals(BULK)).toBe(true);
  });

  it('serves HTTP through http.Server', async () => {
    const http = createServer((request, response) => {
      response.end(`${request.url} from ${request.socket.remoteAddress}`);
    });
    const text = await run(
      () =>
        group(function* (g) {
          const listening: { port: number } = { port: 0 };
          const server = g.spawn(() =>
            tcpServer(
              '127.0.0.1:0',
              function* (socket) {
                const stream = toDuplex(socket);
                http.emit('connection', stream);
                yield* once(stream, 'close');
              },
              {
                onListening: ({ address }) => {
                  listening.port = address.port;
                },
              },
            ),
          );
          while (listening.port === 0) yield* pause();
          const answers: string[] = [];
          for (const path of ['/a', '/b']) {
            answers.push(yield* until(fetchText(listening.port, path)));
          }
          server.cancel();
          return answers;
        }),
      { backend },
    );
    expect(text).toEqual(['/a from 127.0.0.1', '/b from 127.0.0.1']);
  });

  it('receives no faster than the stream is read, which slows the sender down', async () => {
    await withPair(backend, (near, far) =>
      group(function* (g) {
        const stream = toDuplex(far);
        let sent = 0;
        const sender = g.spawn(function* () {
          for (; sent < 64; sent++) yield* near.sendAll(BULK);
          near.shutdown();
        });
        stream.read(0);
        yield* sleep(100);
        expect(stream.readableLength).toBeLessThanOrEqual(2 * 65_536);
        expect(sent).toBeLessThan(64);
        let received = 0;
        stream.on('data', (chunk: Buffer) => {
          received += chunk.length;
        });
        yield* once(stream, 'end');
        yield* sender.join();
        expect(received).toBe(64 * BULK.length);
        stream.end();
      }),
    );
  });

  it('returns false from a write that the network does not take, and drains later', async () => {
    await withPair(backend, function* (near, far) {
      const stream = toDuplex(near);
      let done = 0;
      for (let i = 0; i < 64; i++) stream.write(BULK, () => done++);
      yield* sleep(20);
      expect(done).toBeLessThan(64);
      expect(stream.writableNeedDrain).toBe(true);
      stream.end();
      expect((yield* receiveAll(far)).length).toBe(64 * BULK.length);
      expect(done).toBe(64);
    });
  });

  it('is destroyed when the peer resets the connection', async () => {
    await withPair(backend, function* (near, far) {
      const stream = toDuplex(near);
      stream.resume();
      far.reset();
      const [error] = yield* once(stream, 'error');
      expect(error).toMatchObject({ code: 'ECONNRESET' });
      expect(near.closed).toBe(true);
    });
  });

  it('is destroyed when the program closes the socket', async () => {
    await withPair(backend, function* (near) {
      const stream = toDuplex(near);
      stream.resume();
      yield* sleep(2);
      near.close();
      const [error] = yield* once(stream, 'error');
      expect(error).toMatchObject({ code: 'ERR_CLOSED' });
    });
  });

  it('resets the connection when it is destroyed in the middle of a write', async () => {
    await withPair(backend, function* (near, far) {
      const stream = toDuplex(near);
      stream.on('error', () => {});
      stream.write(Buffer.alloc(64 << 20));
      yield* sleep(5);
      stream.destroy(new Error('enough'));
      const receiving = receiveAll(far);
      yield* expectFailure(receiving, 'ECONNRESET');
    });
  });

  it('closes the connection and releases both directions when destroyed while idle', async () => {
    await withPair(backend, function* (near, far) {
      const stream = toDuplex(near);
      stream.read(0);
      stream.destroy();
      yield* once(stream, 'close');
      expect(near.receiving).toBe(null);
      expect(near.readiness.recvWaiter).toBe(null);
      expect((yield* far.recv()).length).toBe(0);
    });
  });

  it('makes operations of tasks fail with ERR_BUSY, and rejects a busy socket', async () => {
    await withPair(backend, (near, far) =>
      group(function* (g) {
        toDuplex(near);
        yield* expectFailure(near.recv(), 'ERR_BUSY');
        yield* expectFailure(near.sendAll('x'), 'ERR_BUSY');
        const receiver = g.spawn(() => far.recv());
        yield* pause();
        expect(() => toDuplex(far)).toThrow('in the middle of a receive');
        expect(far.sending).toBe(null);
        receiver.cancel();
      }),
    );
  });

  it('has the addresses of its socket, named as in net.Socket', async () => {
    await withPair(backend, function* (near, far) {
      const stream = toDuplex(near);
      expect(stream.remotePort).toBe(far.localAddress.port);
      expect(stream.localPort).toBe(far.remoteAddress.port);
      expect([stream.localAddress, stream.remoteAddress]).toEqual(['127.0.0.1', '127.0.0.1']);
    });
  });

  it('works together with sockets of Node, outside of tasks', async () => {
    const echo = createNetServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await eventOf(echo, 'listening');
    const { port } = echo.address() as AddressInfo;
    const text = await run(
      function* () {
        const stream = toDuplex(yield* connect({ host: '127.0.0.1', port }));
        const through = new PassThrough();
        stream.pipe(through);
        stream.end('there and back');
        const chunks: Buffer[] = [];
        through.on('data', (chunk: Buffer) => chunks.push(chunk));
        yield* once(through, 'end');
        return Buffer.concat(chunks).toString();
      },
      { backend },
    );
    expect(text).toBe('there and back');
    echo.close();
  });
});

function* expectFailure(op: Operation<unknown>, code: string): Generator<Wait, void> {
  let thrown: unknown;
  try {
    yield* op;
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({ code });
}

function fetchText(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

it('toDuplex throws a TypeError for values that are not a Socket of Coronet', () => {
  expect(() => toDuplex(netConnect as never)).toThrow(TypeError);
});
