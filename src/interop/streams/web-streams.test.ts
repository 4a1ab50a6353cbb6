import { ReadableStream, TransformStream, WritableStream } from 'node:stream/web';
import { describe, expect, it } from 'vitest';
import { failure, failureCode, runLimited, runWithPair } from '../../../test/support/sockets.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { pause, sleep } from '../../kernel/waits.ts';
import { Socket } from '../../net/tcp/socket.ts';
import { until } from '../until.ts';
import { fromWebStreams, toWebStreams } from './web-streams.ts';

async function textOf(readable: ReadableStream<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of readable) text += Buffer.from(chunk).toString();
  return text;
}

describe('toWebStreams', () => {
  it('transfers bytes and end of file in both directions, then closes the socket', async () => {
    await runWithPair(function* (near, far) {
      const { readable, writable } = toWebStreams(near);
      yield* far.sendAll('question');
      far.shutdown();
      expect(yield* until(textOf(readable))).toBe('question');
      const writer = writable.getWriter();
      yield* until(writer.write(Buffer.from('ans')));
      yield* until(writer.write(new DataView(Uint8Array.from(Buffer.from('wer')).buffer) as never));
      yield* until(writer.close());
      expect((yield* far.recv()).length + (yield* far.recv()).length).toBeLessThanOrEqual(6);
      expect(near.closed).toBe(true);
    });
  });

  it('reads into the memory of a BYOB reader, and reports the end to it', async () => {
    await runWithPair(function* (near, far) {
      const reader = toWebStreams(near).readable.getReader({ mode: 'byob' });
      const reading = reader.read(new Uint8Array(8));
      yield* far.sendAll('hello');
      const { value } = yield* until(reading);
      expect(Buffer.from(value as Uint8Array).toString()).toBe('hello');
      const last = reader.read(new Uint8Array(8));
      far.shutdown();
      expect((yield* until(last)).done).toBe(true);
    });
  });

  it('receives only when the readable stream is read', async () => {
    await runWithPair((near, far) =>
      group(function* (g) {
        const { readable } = toWebStreams(far);
        const chunk = Buffer.alloc(1 << 20);
        let sent = 0;
        const sender = g.spawn(function* () {
          for (; sent < 64; sent++) yield* near.sendAll(chunk);
          near.shutdown();
        });
        yield* sleep(50);
        expect(far.bytesReceived).toBe(0);
        expect(sent).toBeLessThan(64);
        let total = 0;
        yield* until(
          readable.pipeTo(
            new WritableStream({
              write: (data) => {
                total += data.length;
              },
            }),
          ),
        );
        yield* sender.join();
        expect(total).toBe(64 << 20);
      }),
    );
  });

  it('settles a write when the network has taken it', async () => {
    await runWithPair(function* (near, far) {
      const writer = toWebStreams(near).writable.getWriter();
      const writing = writer.write(new Uint8Array(32 << 20));
      expect(yield* moveOnAfter(20, until(writing.then(() => 'written')))).toBe(undefined);
      let received = 0;
      while (received < 32 << 20) received += (yield* far.recv()).length;
      yield* until(writing);
      yield* until(writer.close());
      expect((yield* far.recv()).length).toBe(0);
    });
  });

  it('makes errors of the socket errors of both streams', async () => {
    await runWithPair(function* (near, far) {
      const { readable, writable } = toWebStreams(near);
      const reading = readable.getReader().read();
      far.reset();
      expect(yield* failureCode(() => until(reading))).toBe('ECONNRESET');
      const writing = writable.getWriter().write(new Uint8Array(1));
      expect(yield* failureCode(() => until(writing))).toBe('EPIPE');
      expect(near.closed).toBe(true);
    });
  });

  it('resets the connection when the writable stream is aborted', async () => {
    await runWithPair(function* (near, far) {
      const { writable } = toWebStreams(near);
      yield* until(writable.abort('enough'));
      expect(yield* failureCode(() => far.recv())).toBe('ECONNRESET');
    });
  });

  it('continues to send after the readable stream is cancelled', async () => {
    await runWithPair(function* (near, far) {
      const { readable, writable } = toWebStreams(near);
      yield* until(readable.cancel());
      const writer = writable.getWriter();
      yield* until(writer.write(Buffer.from('still here')));
      expect((yield* far.recv()).toString()).toBe('still here');
      yield* until(writer.close());
      expect(near.closed).toBe(true);
    });
  });

  it('makes operations of tasks fail with ERR_BUSY, and accepts only bytes', async () => {
    await runWithPair(function* (near, far) {
      const { writable } = toWebStreams(near);
      expect(yield* failureCode(() => near.recv())).toBe('ERR_BUSY');
      expect(() => toWebStreams(near)).toThrow('in the middle of a receive');
      const writing = writable.getWriter().write('text' as never);
      expect(yield* failureCode(() => until(writing))).toBe('ERR_INVALID_ARG_TYPE');
      expect(() => toWebStreams({} as never)).toThrow(TypeError);
      far.close();
    });
  });
});

describe('fromWebStreams', () => {
  it('returns a Socket that sends, receives and shuts down', async () => {
    await runLimited(function* () {
      const socket = fromWebStreams(new TransformStream<Uint8Array, Uint8Array>());
      expect(socket).toBeInstanceOf(Socket);
      yield* socket.send('hello');
      expect((yield* socket.recv(2)).toString()).toBe('he');
      expect((yield* socket.recv()).toString()).toBe('llo');
      socket.shutdown();
      expect((yield* socket.recv()).length).toBe(0);
      expect(yield* failureCode(() => socket.sendAll('x'))).toBe('EPIPE');
      socket.close();
      expect(yield* failureCode(() => socket.recv())).toBe('ERR_CLOSED');
    });
  });

  it('requests one chunk at a time', async () => {
    let asked = 0;
    const readable = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          asked++;
          controller.enqueue(new Uint8Array(10));
        },
      },
      { highWaterMark: 0 },
    );
    await runLimited(function* () {
      const socket = fromWebStreams({ readable, writable: new WritableStream() });
      yield* sleep(5);
      expect(asked).toBe(0);
      yield* socket.recv(4);
      yield* sleep(5);
      expect(asked).toBe(1);
      yield* socket.recv();
      yield* socket.recv();
      expect(asked).toBe(2);
      socket.close();
    });
  });

  it('makes sendAll wait while the writable stream is full', async () => {
    let written = 0;
    let go: () => void = () => {};
    const writable = new WritableStream<Uint8Array>({
      write: (chunk) =>
        new Promise<void>((resolve) => {
          written += chunk.length;
          go = resolve;
        }),
    });
    await runLimited(() =>
      group(function* (g) {
        const socket = fromWebStreams({ readable: new ReadableStream(), writable });
        const sender = g.spawn(() => socket.sendAll(Buffer.alloc(300_000)));
        yield* sleep(5);
        expect(written).toBe(65_536);
        expect(sender.waitingOn).toBe('send web streams');
        while (sender.state === 'waiting') {
          go();
          yield* sleep(1);
        }
        expect(written).toBeGreaterThan(300_000 - 2 * 65_536);
        socket.reset();
      }),
    );
  });

  it('throws the errors of the streams', async () => {
    await runLimited(function* () {
      const readable = new ReadableStream<Uint8Array>({
        start: (controller) => controller.error(new Error('no input')),
      });
      const socket = fromWebStreams({ readable, writable: new WritableStream() });
      expect((yield* failure(() => socket.recv())).message).toBe('no input');
      const writable = new WritableStream<Uint8Array>({
        write: () => Promise.reject(new Error('no output')),
      });
      const other = fromWebStreams({ readable: new ReadableStream(), writable });
      yield* other.send('x');
      yield* sleep(1);
      expect((yield* failure(() => other.sendAll('x'))).message).toBe('no output');
      const texts = new ReadableStream({ start: (controller) => controller.enqueue('text') });
      const third = fromWebStreams({ readable: texts as never, writable: new WritableStream() });
      expect(yield* failureCode(() => third.recv())).toBe('ERR_INVALID_ARG_TYPE');
    });
  });

  it('cancels the readable and closes the writable stream when the socket is closed', async () => {
    const log: string[] = [];
    const readable = new ReadableStream<Uint8Array>({ cancel: () => void log.push('cancelled') });
    const writable = new WritableStream<Uint8Array>({ close: () => void log.push('closed') });
    await runLimited(() =>
      group(function* (g) {
        const socket = fromWebStreams({ readable, writable });
        const receiver = g.spawn(() => failureCode(() => socket.recv()));
        yield* pause();
        yield* pause();
        socket.close();
        expect(yield* receiver.join()).toBe('ERR_CLOSED');
      }),
    );
    expect(log.sort()).toEqual(['cancelled', 'closed']);
  });

  it('throws a TypeError for values that are not a pair of unlocked streams', () => {
    expect(() => fromWebStreams({} as never)).toThrow(TypeError);
    const { readable, writable } = new TransformStream();
    readable.getReader();
    expect(() => fromWebStreams({ readable, writable })).toThrow(TypeError);
  });
});
