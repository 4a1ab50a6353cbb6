import { once as eventOf } from 'node:events';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { createServer, connect as netConnect } from 'node:net';
import { Duplex, PassThrough, Transform } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failure, failureCode, receiveAll, runLimited } from '../../../test/support/sockets.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { pause, sleep } from '../../kernel/waits.ts';
import { Socket } from '../../net/tcp/socket.ts';
import { fromDuplex } from './duplex.ts';

/** Two streams: the bytes written to one are read from the other. */
function pair(highWaterMark = 16_384): [Half, Half] {
  const one = new Half({ highWaterMark });
  const two = new Half({ highWaterMark });
  one.peer = two;
  two.peer = one;
  return [one, two];
}

class Half extends Duplex {
  peer: Half | null = null;
  /** The callback of a write that the full peer holds back. */
  release: (() => void) | null = null;

  override _read(): void {
    const resume = this.peer?.release;
    if (this.peer !== null) this.peer.release = null;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    if (this.peer?.push(chunk)) callback();
    else this.release = callback;
  }

  override _final(callback: () => void): void {
    this.peer?.push(null);
    callback();
  }
}

describe('fromDuplex', () => {
  it('returns a Socket that sends, receives and shuts down', async () => {
    const [one, two] = pair();
    await runLimited(function* () {
      const near = fromDuplex(one);
      const far = fromDuplex(two);
      expect(near).toBeInstanceOf(Socket);
      yield* near.sendAll('hello');
      expect((yield* far.recv(3)).toString()).toBe('hel');
      expect((yield* far.recv()).toString()).toBe('lo');
      const into = new Uint8Array(2);
      yield* near.sendv([Buffer.from('x'), Buffer.alloc(0), Buffer.from('y')]);
      expect(yield* far.recvInto(into)).toBe(2);
      near.shutdown();
      expect((yield* far.recv()).length).toBe(0);
      expect((yield* far.recv()).length).toBe(0);
      yield* far.sendAll('still open');
      expect((yield* near.recv()).toString()).toBe('still open');
      expect(yield* failureCode(() => near.sendAll('x'))).toBe('EPIPE');
      near.close();
      far.close();
      expect(yield* failureCode(() => near.recv())).toBe('ERR_CLOSED');
    });
  });

  it('works over the transforms of zlib', async () => {
    const text = 'again and '.repeat(100_000);
    const received = await runLimited(() =>
      group(function* (g) {
        const gzip = fromDuplex(createGzip());
        const gunzip = fromDuplex(createGunzip());
        g.spawn(function* () {
          yield* gzip.sendAll(text);
          gzip.shutdown();
        });
        g.spawn(function* () {
          yield* gunzip.sendAll(yield* receiveAll(gzip));
          gunzip.shutdown();
        });
        return (yield* receiveAll(gunzip)).toString();
      }),
    );
    expect(received === text).toBe(true);
  });

  it('transfers every byte with any high-water mark and any chunk sizes', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 20 });
    const portions = fc.array(fc.integer({ min: 700, max: 40_000 }), {
      minLength: 1,
      maxLength: 9,
    });
    const marks = fc.constantFrom(1, 100, 16_384, 100_000);
    const property = fc.asyncProperty(sizes, portions, marks, async (sends, receives, mark) => {
      const [one, two] = pair(mark);
      const sent = sends.map((size, index) => Buffer.alloc(size, index + 1));
      const received: Buffer[] = [];
      await runLimited(() =>
        group(function* (g) {
          const near = fromDuplex(one);
          const far = fromDuplex(two);
          g.spawn(function* () {
            for (const data of sent) yield* near.sendAll(data);
            near.close();
          });
          for (let i = 0; ; i++) {
            const chunk = yield* far.recv(receives[i % receives.length]);
            if (chunk.length === 0) break;
            received.push(Buffer.from(chunk));
          }
          far.close();
        }),
      );
      expect(Buffer.concat(received).equals(Buffer.concat(sent))).toBe(true);
    });
    await fc.assert(property, { numRuns: 40 });
  });

  it('reads ahead by a bounded number of bytes', async () => {
    let made = 0;
    const source = new Duplex({
      highWaterMark: 1000,
      read() {
        made += 100;
        this.push(Buffer.alloc(100));
      },
      write(_chunk, _encoding, callback) {
        callback();
      },
    });
    await runLimited(function* () {
      const socket = fromDuplex(source);
      expect((yield* socket.recv(50)).length).toBe(50);
      yield* sleep(20);
      expect(made).toBeLessThanOrEqual(2000);
      socket.close();
    });
  });

  it('makes sendAll wait until the stream has drained', async () => {
    const held: (() => void)[] = [];
    let written = 0;
    const slow = new Duplex({
      highWaterMark: 20_000,
      read() {},
      write(chunk: Buffer, _encoding, callback) {
        written += chunk.length;
        held.push(callback);
      },
    });
    await runLimited(() =>
      group(function* (g) {
        const socket = fromDuplex(slow);
        const sender = g.spawn(() => socket.sendAll(Buffer.alloc(200_000)));
        yield* sleep(10);
        expect(written).toBe(20_000);
        expect(slow.writableLength).toBe(20_000);
        expect(sender.waitingOn).toBe('send stream Duplex');
        while (sender.state === 'waiting') {
          expect(slow.writableLength).toBeLessThanOrEqual(40_000);
          held.shift()?.();
          yield* sleep(1);
        }
        expect(written).toBeGreaterThan(170_000);
        socket.reset();
      }),
    );
  });

  it('copies sent bytes, so that the caller may change its memory', async () => {
    const through = new PassThrough();
    await runLimited(function* () {
      const socket = fromDuplex(through);
      const data = Buffer.from('before');
      yield* socket.sendAll(data);
      data.write('after!');
      expect((yield* socket.recv()).toString()).toBe('before');
      socket.close();
    });
  });

  it('returns the bytes received before an error, then throws the error every time', async () => {
    const [one] = pair();
    await runLimited(function* () {
      const socket = fromDuplex(one);
      one.push('last bytes');
      yield* sleep(1);
      one.destroy(new Error('torn down'));
      yield* sleep(1);
      expect((yield* socket.recv()).toString()).toBe('last bytes');
      expect((yield* failure(() => socket.recv())).message).toBe('torn down');
      expect((yield* failure(() => socket.recv())).message).toBe('torn down');
      expect((yield* failure(() => socket.sendAll('x'))).message).toBe('torn down');
      socket.close();
    });
  });

  it('wakes waiting tasks when the stream fails', async () => {
    const [one] = pair();
    await runLimited(() =>
      group(function* (g) {
        const socket = fromDuplex(one);
        const errors: unknown[] = [];
        g.spawn(function* () {
          errors.push((yield* failure(() => socket.recv())).message);
        });
        g.spawn(function* () {
          errors.push((yield* failure(() => socket.sendAll(Buffer.alloc(1 << 20)))).message);
        });
        yield* sleep(5);
        one.destroy(new Error('gone'));
        yield* sleep(5);
        expect(errors).toEqual(['gone', 'gone']);
      }),
    );
  });

  it('reports a stream that closes without an end as ECONNRESET', async () => {
    const [one] = pair();
    await runLimited(function* () {
      const socket = fromDuplex(one);
      one.destroy();
      expect(yield* failureCode(() => socket.recv())).toBe('ECONNRESET');
      expect(yield* failureCode(() => socket.sendAll('x'))).toBe('EPIPE');
      const [late] = pair();
      late.destroy();
      yield* sleep(1);
      expect(yield* failureCode(() => fromDuplex(late).recv())).toBe('ECONNRESET');
    });
  });

  it('reports the end of a stream that had ended before the call', async () => {
    const through = new PassThrough();
    through.end();
    through.resume();
    await eventOf(through, 'end');
    await runLimited(function* () {
      const socket = fromDuplex(through);
      expect((yield* socket.recv()).length).toBe(0);
      expect(yield* failureCode(() => socket.send('x'))).toBe('EPIPE');
    });
  });

  it('discards input after shutdown of the receive direction', async () => {
    const [one, two] = pair();
    await runLimited(function* () {
      const socket = fromDuplex(one);
      two.write('dropped');
      socket.shutdown('recv');
      expect((yield* socket.recv()).length).toBe(0);
      for (let i = 0; i < 10; i++) two.write(Buffer.alloc(16_384));
      while (two.writableLength > 0) yield* sleep(1);
      socket.close();
    });
  });

  it('delivers all sent bytes on close, and leaves no listener on the stream', async () => {
    const [one, two] = pair();
    const delivered: Buffer[] = [];
    two.on('data', (chunk: Buffer) => delivered.push(chunk));
    await runLimited(function* () {
      const socket = fromDuplex(one);
      yield* socket.sendAll('last bytes');
      socket.close();
      socket.close();
    });
    if (!two.readableEnded) await eventOf(two, 'end');
    expect(Buffer.concat(delivered).toString()).toBe('last bytes');
    expect(one.destroyed).toBe(true);
    expect(one.eventNames().filter((name) => name !== 'finish')).toEqual([]);
  });

  it('destroys the stream on reset, and ignores later errors of the stream', async () => {
    const stream = new Duplex({
      read() {},
      write(_chunk, _encoding, _callback) {},
      destroy(_error, callback) {
        callback(new Error('in destroy'));
      },
    });
    await runLimited(function* () {
      const socket = fromDuplex(stream);
      yield* socket.sendAll('x');
      socket.reset();
      yield* sleep(1);
      expect(stream.destroyed).toBe(true);
    });
  });

  it('wakes a waiting task with ERR_CLOSED when the socket is closed', async () => {
    const [one] = pair();
    await runLimited(() =>
      group(function* (g) {
        const socket = fromDuplex(one);
        const receiver = g.spawn(() => failureCode(() => socket.recv()));
        yield* pause();
        yield* pause();
        socket.close();
        expect(yield* receiver.join()).toBe('ERR_CLOSED');
      }),
    );
  });

  it('loses no byte when a receive is cancelled', async () => {
    const through = new PassThrough();
    await runLimited(function* () {
      const socket = fromDuplex(through);
      expect(yield* moveOnAfter(5, socket.recv())).toBe(undefined);
      through.write('kept');
      expect((yield* socket.recv()).toString()).toBe('kept');
      socket.close();
    });
  });

  it('works over sockets of Node and has their addresses', async () => {
    const accepted: NetSocket[] = [];
    const server = createServer((socket) => accepted.push(socket)).listen(0, '127.0.0.1');
    await eventOf(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = netConnect(port, '127.0.0.1');
    await eventOf(client, 'connect');
    await runLimited(function* () {
      const socket = fromDuplex(client);
      expect(socket.remoteAddress.toString()).toBe(`127.0.0.1:${port}`);
      while (accepted.length === 0) yield* sleep(1);
      const far = fromDuplex(accepted[0] as NetSocket);
      yield* socket.sendAll(Buffer.alloc(100));
      expect((yield* far.recv()).length).toBe(100);
      far.reset();
      expect(yield* failureCode(() => socket.recv())).toBe('ECONNRESET');
      socket.close();
    });
    server.close();
  });

  it('throws a TypeError for streams of objects or strings, and for other values', () => {
    expect(() => fromDuplex(new Transform({ objectMode: true }))).toThrow(TypeError);
    expect(() => fromDuplex(new PassThrough({ encoding: 'utf8' }))).toThrow('Duplex of bytes');
    expect(() => fromDuplex(undefined as never)).toThrow(TypeError);
  });
});
