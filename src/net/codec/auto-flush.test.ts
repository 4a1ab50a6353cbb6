import { describe, expect, it } from 'vitest';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import type { Operation } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import { Socket } from '../tcp/socket.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { lines } from './lines.ts';
import type { Messages } from './messages.ts';
import { messages } from './messages.ts';

function open(): { readonly transport: ScriptedTransport; readonly peer: Messages<string> } {
  const transport = new ScriptedTransport();
  const peer = messages(new Socket(transport), lines({ max: 9000 }), { autoFlush: true });
  return { transport, peer };
}

function* echo(peer: Messages<string>): Operation<void> {
  for (;;) {
    const message = yield* peer.receive();
    if (message === null) return;
    yield* peer.send(message.toUpperCase());
  }
}

describe('messages with autoFlush', () => {
  it('sends the responses to messages that arrive together in one send', () => {
    const { transport, peer } = open();
    transport.feed('a\nb\nc\n');
    play(() => moveOnAfter(1, () => echo(peer)));
    expect(transport.sends.map(String)).toEqual(['A\nB\nC\n']);
  });

  it('sends a message of 4 KB or more before its send returns, after those that wait', () => {
    const { transport, peer } = open();
    const large = 'x'.repeat(4096);
    play(function* (): Operation<void> {
      yield* peer.send('small');
      expect(transport.sends).toEqual([]);
      yield* peer.send(large);
    });
    expect(Buffer.concat(transport.sends).toString()).toBe(`small\n${large}\n`);
    expect(peer.socket.writer().buffered).toBe(0);
  });

  it('waits for the network when the writer has no room for a message', () => {
    const { transport, peer } = open();
    peer.socket.writer({ highWaterMark: 10 });
    transport.room = 0;
    play(() =>
      group(function* (tasks): Operation<void> {
        yield* peer.send('12345678');
        const second = tasks.spawn(() => peer.send('second'));
        yield* sleep(1);
        expect(second.state).toBe('waiting');
        transport.admit(100);
        yield* second.join();
      }),
    );
    expect(transport.sends.map(String)).toEqual(['12345678\n']);
    expect(peer.socket.writer().buffered).toBe('second\n'.length);
  });

  it('leaves no message in the writer if the send is cancelled while it waits for room', () => {
    const { transport, peer } = open();
    peer.socket.writer({ highWaterMark: 10 });
    transport.room = 0;
    play(function* (): Operation<void> {
      yield* peer.send('12345678');
      yield* moveOnAfter(1, () => peer.send('second'));
    });
    expect(peer.socket.writer().buffered).toBe('12345678\n'.length);
  });

  it('sends a message that exceeds the highWaterMark, and a batch, in order', () => {
    const transport = new ScriptedTransport();
    const codec = lengthPrefixed({ bytes: 1, max: 99 });
    const peer = messages(new Socket(transport), codec, { autoFlush: true });
    peer.socket.writer({ highWaterMark: 8 });
    play(function* (): Operation<void> {
      yield* peer.send('a');
      yield* peer.send('longer than 8');
      yield* peer.sendBatch(['b', 'c']);
      yield* peer.socket.writer().flush();
    });
    expect(Buffer.concat(transport.sends).toString()).toBe(
      '\u0001a\u000dlonger than 8\u0001b\u0001c',
    );
  });

  it('rejects an unknown option', () => {
    const socket = new Socket(new ScriptedTransport());
    const options = { autoflush: true } as never;
    expect(() => messages(socket, lines({ max: 9 }), options)).toThrow('did you mean `autoFlush`?');
  });
});
