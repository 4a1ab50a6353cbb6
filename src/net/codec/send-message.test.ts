import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf, failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import type { Operation } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import { Socket } from '../tcp/socket.ts';
import type { Codec } from './codec.ts';
import { json } from './json.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { delimited, lines } from './lines.ts';
import { messages } from './messages.ts';
import { netstring } from './netstring.ts';

const max = 20_000;

const own: Codec<string> = {
  *decode(reader): Operation<string | null> {
    const length = yield* reader.readExactly(4);
    const bytes = length && (yield* reader.readExactly(length.readUInt32BE()));
    return bytes && String(bytes);
  },
  encode(text) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(text));
    return [length, Buffer.from(text)];
  },
};

const codecs: Record<string, Codec<unknown, string>> = {
  'a length of 4 bytes': lengthPrefixed({ bytes: 4, max }),
  'a varint': lengthPrefixed({ bytes: 'varint', max }),
  lines: lines({ max }),
  'a delimiter': delimited('||', { max }),
  netstrings: netstring({ max }),
  'JSON in lines': json<string>(lines({ max })),
  'JSON in netstrings': json<string>(netstring({ max })),
  'a codec of its own': own,
};

const texts = fc.array(
  fc
    .record({ text: fc.constantFrom('', 'ab', 'grün', '漢字🎉'), times: fc.integer({ max: 500 }) })
    .map(({ text, times }) => text.repeat(Math.max(0, times))),
  { maxLength: 12 },
);

/** The bytes that a peer sends, on a network that takes a part of them at a time. */
function sentBytes(
  codec: Codec<unknown, string>,
  values: readonly string[],
  options: { autoFlush: boolean; inBatches: boolean; part: number },
): Buffer {
  const transport = new ScriptedTransport();
  transport.room = 0;
  const peer = messages(new Socket(transport), codec, { autoFlush: options.autoFlush });
  play(() =>
    group(function* (tasks): Operation<void> {
      tasks.spawn(
        function* (): Operation<void> {
          for (;;) {
            transport.admit(options.part);
            yield;
          }
        },
        { daemon: true },
      );
      if (options.inBatches) yield* peer.sendBatch(values);
      else for (const value of values) yield* peer.send(value);
      yield* peer.socket.writer().flush();
    }),
  );
  return Buffer.concat(transport.sends);
}

function receivedFrom(codec: Codec<unknown, string>, bytes: Buffer): unknown[] {
  const transport = new ScriptedTransport();
  transport.feed(bytes);
  transport.finish();
  const peer = messages(new Socket(transport), codec);
  const found: unknown[] = [];
  play(function* (): Operation<void> {
    for (let next = yield* peer.receive(); next !== null; next = yield* peer.receive()) {
      found.push(next instanceof Uint8Array ? String(next) : next);
    }
  });
  return found;
}

describe('sent messages', () => {
  for (const [name, codec] of Object.entries(codecs)) {
    it(`messages with ${name} arrive as they were sent, one by one or in batches`, () => {
      const options = fc.record({
        autoFlush: fc.boolean(),
        inBatches: fc.boolean(),
        part: fc.constantFrom(1000, 5000, 1_000_000),
      });
      fc.assert(
        fc.property(texts, options, (values, chosen) => {
          expect(receivedFrom(codec, sentBytes(codec, values, chosen))).toEqual(values);
        }),
        { numRuns: 30 },
      );
    });
  }

  it('messages of a batch that are 4 KB or larger are sent without a copy', () => {
    const codec = lengthPrefixed({ bytes: 4, max: 5000 });
    const large = Buffer.alloc(4096, 'l');
    const { encoder } = codec;
    expect(encoder.encodeAll([Buffer.from('ab'), large])).toEqual([
      Buffer.from([0, 0, 0, 2, 97, 98]),
      Buffer.from([0, 0, 16, 0]),
      large,
    ]);
    expect((encoder.encodeAll([large]) as readonly Uint8Array[])[1]).toBe(large);
  });

  it('a batch with a text that is not one line is rejected, and nothing is sent', () => {
    const transport = new ScriptedTransport();
    const peer = messages(new Socket(transport), lines({ max: 10 }));
    const invalid: readonly unknown[] = [
      'c\nd',
      '\n',
      'c\r',
      'x'.repeat(11),
      '漢'.repeat(4),
      7,
      ['c'],
    ];
    for (const value of invalid) {
      const batch = ['ab', value, 'e'] as string[];
      expect(() => peer.sendBatch(batch)).toThrow(/^Expected `value` to be/);
    }
    play(() => peer.sendBatch(['ab', '漢'.repeat(3), '', 'e']));
    expect(transport.sends.map(String)).toEqual(['ab\n漢漢漢\n\ne\n']);
  });

  it('a message whose memory is detached before autoFlush has written it is a TypeError', () => {
    const transport = new ScriptedTransport();
    const codec = lengthPrefixed({ bytes: 4, max: 100 });
    const peer = messages(new Socket(transport), codec, { autoFlush: true });
    const value = new Uint8Array(10);
    const send = peer.send(value);
    structuredClone(value, { transfer: [value.buffer] });
    expect(failureOf(() => send)).toBeInstanceOf(TypeError);
    expect(peer.socket.writer().buffered).toBe(0);
  });

  it('a send with autoFlush can be driven once, and is cancelled with its task', () => {
    const transport = new ScriptedTransport();
    const peer = messages(new Socket(transport), lines({ max: 100 }), { autoFlush: true });
    const send = peer.send('once');
    play(() => send);
    expect(codeOf(() => send)).toBe('ERR_ALREADY_DRIVEN');
    play(() =>
      group(function* (tasks): Operation<void> {
        const task = tasks.spawn(() => peer.send('cancelled'));
        task.cancel();
        yield;
      }),
    );
    expect(peer.socket.writer().buffered).toBe('once\n'.length);
  });

  it('a send with autoFlush lets other tasks run after 128 messages', () => {
    const transport = new ScriptedTransport();
    const peer = messages(new Socket(transport), lines({ max: 100 }), { autoFlush: true });
    let sent = 0;
    const seen: number[] = [];
    play(() =>
      group(function* (tasks): Operation<void> {
        tasks.spawn(function* (): Operation<void> {
          for (; sent < 300; sent++) yield* peer.send('x');
        });
        tasks.spawn(function* (): Operation<void> {
          for (; sent < 300; yield) seen.push(sent);
        });
        yield* sleep(1);
      }),
    );
    // The message before which the task has paused does not count again.
    expect(seen).toEqual([128, 257]);
  });

  it('a send with autoFlush that waits for room continues when the network takes bytes', () => {
    const transport = new ScriptedTransport();
    transport.room = 0;
    const codec = lengthPrefixed({ bytes: 1, max: 100 });
    const peer = messages(new Socket(transport), codec, { autoFlush: true });
    peer.socket.writer({ highWaterMark: 8 });
    play(function* (): Operation<void> {
      yield* peer.send('12345');
      yield* moveOnAfter(1, () => peer.send('6789'));
      expect(peer.socket.writer().buffered).toBe(6);
      transport.admit(100);
      yield* peer.send('abcd');
    });
    expect(transport.sends.map(String)).toEqual(['\u000512345']);
    expect(peer.socket.writer().buffered).toBe(5);
  });
});
