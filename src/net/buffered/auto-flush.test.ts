import { describe, expect, it } from 'vitest';
import { codeOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import { select } from '../../flow/select/select.ts';
import type { Operation } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import { lengthPrefixed } from '../codec/length-prefixed.ts';
import { messages } from '../codec/messages.ts';
import { Socket } from '../tcp/socket.ts';
import type { Writer } from './writer.ts';

function open(): {
  readonly transport: ScriptedTransport;
  readonly socket: Socket;
  readonly writer: Writer;
} {
  const transport = new ScriptedTransport();
  const socket = new Socket(transport);
  return { transport, socket, writer: socket.writer({ autoFlush: true }) };
}

/** Answers each line with the line in capitals. */
function* shout(socket: Socket): Operation<void> {
  const reader = socket.reader();
  const writer = socket.writer({ autoFlush: true });
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    writer.write(`${line.toUpperCase()}\n`);
  }
}

describe('a writer with autoFlush', () => {
  it('responses to requests that arrive together leave in one send', () => {
    const { transport, socket } = open();
    transport.feed('a\nb\nc\n');
    play(() =>
      group(function* (tasks): Operation<void> {
        const server = tasks.spawn(() => shout(socket));
        yield* sleep(1);
        expect(transport.sends.map(String)).toEqual(['A\nB\nC\n']);
        transport.feed('d\n');
        yield* sleep(1);
        expect(transport.sends.map(String)).toEqual(['A\nB\nC\n', 'D\n']);
        server.cancel();
      }),
    );
  });

  it('a receive that does not wait sends nothing', () => {
    const { transport, socket, writer } = open();
    transport.feed('abc');
    writer.write('x');
    play(() => socket.recv());
    expect(transport.sends).toEqual([]);
    expect(writer.buffered).toBe(1);
  });

  it('half of highWaterMark is sent although requests are waiting', () => {
    const { transport, socket, writer } = open();
    socket.writer({ highWaterMark: 10 });
    transport.feed('abc');
    writer.write('12345');
    play(() => socket.recv());
    expect(transport.sentText).toBe('12345');
  });

  it('a receive waits until the network has taken the bytes', () => {
    const { transport, socket, writer } = open();
    transport.room = 2;
    play(() =>
      group(function* (tasks): Operation<void> {
        writer.write('12345');
        const receiving = tasks.spawn(() => socket.recv());
        yield* sleep(1);
        expect(receiving.waitingOn).toContain('send');
        transport.feed('request');
        yield* sleep(1);
        expect(receiving.state).toBe('waiting');
        expect(writer.buffered).toBe(3);
        expect(codeOf(() => writer.flush())).toBe('ERR_BUSY');
        transport.admit(100);
        expect(String(yield* receiving.join())).toBe('request');
        expect(transport.sentText).toBe('12345');
      }),
    );
  });

  it('a cancelled receive leaves the rest in order, and the stream is not torn', () => {
    const { transport, socket, writer } = open();
    transport.room = 2;
    play(function* () {
      writer.write('12345');
      yield* moveOnAfter(1, () => socket.recv());
      expect(writer.buffered).toBe(3);
      expect(socket.torn).toBe(true); // closed now, the peer would have a part
      writer.write('67');
      transport.admit(100);
      yield* writer.flush();
      expect(transport.sentText).toBe('1234567');
      expect(socket.torn).toBe(false);
    });
  });

  it('a select sends before it waits, and waits for the network first', () => {
    const { transport, socket, writer } = open();
    transport.room = 2;
    play(() =>
      group(function* (tasks): Operation<void> {
        writer.write('12345');
        const selecting = tasks.spawn(() => select({ data: socket.recv(), late: sleep(50) }));
        yield* sleep(1);
        transport.feed('request');
        yield* sleep(1);
        expect(transport.sentText).toBe('12');
        transport.admit(100);
        const { key, value } = yield* selecting.join();
        expect([key, String(value)]).toEqual(['data', 'request']);
        expect(transport.sentText).toBe('12345');
      }),
    );
  });

  it("a program's own codec sends before it waits", () => {
    const { transport, socket, writer } = open();
    const inner = lengthPrefixed({ bytes: 1, max: 9 });
    const own = { decode: inner.decode.bind(inner), encode: inner.encode.bind(inner) };
    const stream = messages(socket, own);
    transport.room = 2;
    play(() =>
      group(function* (tasks): Operation<void> {
        writer.write('12345');
        const receiving = tasks.spawn(() => stream.receive());
        yield* sleep(1);
        expect(receiving.waitingOn).toContain('send');
        transport.admit(100);
        yield* sleep(1);
        expect(transport.sentText).toBe('12345');
        transport.feed(Uint8Array.of(1, 97));
        expect(String(yield* receiving.join())).toBe('a');
      }),
    );
  });

  it('an error of the send ends the receive that caused it', () => {
    const { transport, socket, writer } = open();
    transport.failSends(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    writer.write('12345');
    expect(codeOf(() => socket.recv())).toBe('ECONNRESET');
    expect(socket.finalFlush()).toBeNull();
  });

  it('bytes that wait when the handler returns are flushed', () => {
    const { transport, socket, writer } = open();
    writer.write('bye');
    const flush = socket.finalFlush();
    expect(flush).not.toBeNull();
    play(() => flush as Operation<void>);
    expect(transport.sentText).toBe('bye');
    expect(socket.finalFlush()).toBeNull();
  });

  it('discard tears the send half if the peer has a part of the bytes', () => {
    const { transport, socket, writer } = open();
    transport.room = 2;
    writer.write('12345');
    play(() => moveOnAfter(1, () => socket.recv()));
    expect(transport.sentText).toBe('12');
    expect(writer.discard()).toBe(3);
    expect([socket.torn, socket.finalFlush()]).toEqual([true, null]);
    expect(codeOf(() => socket.sendAll('x'))).toBe('ERR_TORN');
  });

  it('autoFlush that is not true or false is a TypeError', () => {
    expect(() => open().socket.writer({ autoFlush: 1 as never })).toThrow(TypeError);
  });
});
