import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { codeOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import { select } from '../../flow/select/select.ts';
import type { Operation } from '../../kernel/operation.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { moveOnAfter, timeout } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import { Socket } from '../tcp/socket.ts';
import type { Codec } from './codec.ts';
import { json } from './json.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { delimited, lines } from './lines.ts';
import type { Messages } from './messages.ts';
import { messages } from './messages.ts';
import { netstring } from './netstring.ts';

/** The lines in `chunks`, each 300 times, and the code of the error after them. */
function receivedLines(
  chunks: readonly string[],
  max: number,
  receive: (stream: Messages<string>) => Operation<readonly string[]>,
): string[] {
  const transport = new ScriptedTransport();
  for (const chunk of chunks) transport.feed(chunk.repeat(300));
  transport.finish();
  const stream = messages(new Socket(transport), lines({ max }));
  const found: string[] = [];
  try {
    for (;;) {
      const received = play(() => receive(stream));
      if (received.length === 0) return found;
      found.push(...received);
    }
  } catch (error) {
    return [...found, String((error as { code: string }).code)];
  }
}

/** A program's own codec: a line with the number of lines that follow. */
const paragraphs: Codec<string> = {
  *decode(reader): Operation<string | null> {
    const count = yield* reader.readLine();
    if (count === null) return null;
    const parts: (string | null)[] = [];
    for (let i = 0; i < Number(count); i++) {
      yield;
      parts.push(yield* reader.readLine());
    }
    return parts.join('\n');
  },
  encode: (text) => Buffer.from(`${text.split('\n').length}\n${text}\n`),
};

const text: Codec<string, string> = {
  *decode(reader): Operation<string | null> {
    const bytes = yield* lengthPrefixed({ bytes: 2, max: 99 }).decode(reader);
    return bytes === null ? null : String(bytes);
  },
  encode: (value) => lengthPrefixed({ bytes: 2, max: 99 }).encode(value),
};

/** Reads the byte after its message. */
const waitingInFinally: Codec<unknown> = {
  *decode(reader): Operation<unknown> {
    try {
      return yield* reader.readExactly(4);
    } finally {
      yield* reader.readExactly(1);
    }
  },
  encode: () => Buffer.alloc(0),
};

function* failureCodeOf(op: Operation<unknown>): Operation<unknown> {
  try {
    return yield* op;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

const codecs: Readonly<Record<string, Codec<unknown, string>>> = {
  'a length of 4 bytes': lengthPrefixed({ bytes: 4, max: 99 }),
  'a varint': lengthPrefixed({ bytes: 'varint', max: 99 }),
  lines: lines({ max: 99 }),
  'lines that may be skipped': lines({ max: 99, onTooLong: 'skip' }),
  'a delimiter': delimited('\r\n', { max: 99 }),
  netstrings: netstring({ max: 99 }),
  'JSON in netstrings': json<unknown>(netstring({ max: 99 })) as Codec<unknown, string>,
  "a program's own codec": paragraphs,
  'a codec that contains another one': text,
};

const scenario = fc.record({
  values: fc.array(fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'é', '7', '-') })),
  cuts: fc.array(fc.nat(150), { maxLength: 30 }),
  delays: fc.array(fc.nat(2), { minLength: 1, maxLength: 8 }),
  limits: fc.array(fc.nat(2), { minLength: 1, maxLength: 5 }),
  clearsEarly: fc.boolean(),
});
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

type Receive = (socket: Socket, codec: Codec<unknown, string>) => Operation<readonly unknown[]>;

/** Feeds the encoded values in parts, while `receive` is repeated until end of file. */
function* transfer(
  codec: Codec<unknown, string>,
  { values, cuts, delays, clearsEarly }: Scenario,
  receive: Receive,
): Operation<unknown[]> {
  const transport = new ScriptedTransport();
  transport.clearsEarly = clearsEarly;
  const stream = Buffer.concat(values.flatMap((value) => codec.encode(value)));
  const socket = new Socket(transport);
  return yield* group(function* (tasks): Operation<unknown[]> {
    tasks.spawn(function* (): Operation<void> {
      const bounds = [0, ...cuts.filter((cut) => cut < stream.length), stream.length];
      bounds.sort((a, b) => a - b);
      for (let i = 1; i < bounds.length; i++) {
        const delay = delays[i % delays.length] as number;
        if (delay > 0) yield* sleep(delay);
        transport.feed(stream.subarray(bounds[i - 1], bounds[i]));
      }
      transport.finish();
    });
    const all: unknown[] = [];
    for (;;) {
      const received = yield* receive(socket, codec);
      if (received.length === 0) return all;
      all.push(...received);
    }
  });
}

/** Receives with limits that interrupt it at any point, and again until it has a result. */
function interrupted(limits: readonly number[]): Receive {
  let turn = 0;
  return function* (socket, codec): Operation<readonly unknown[]> {
    const stream = messages(socket, codec);
    for (;;) {
      const ms = limits[turn++ % limits.length] as number;
      const result = yield* moveOnAfter(ms, function* (): Operation<readonly unknown[]> {
        const message = yield* stream.receive();
        return message === null ? [] : [message];
      });
      if (result !== undefined) return result;
      yield* sleep(1);
    }
  };
}

/** As `interrupted`, by another case of a select. */
function deselected(limits: readonly number[]): Receive {
  let turn = 0;
  return function* (socket, codec): Operation<readonly unknown[]> {
    const stream = messages(socket, codec);
    for (;;) {
      const ms = limits[turn++ % limits.length] as number;
      const chosen = yield* select({ batch: stream.receiveBatch(), late: sleep(ms) });
      if (chosen.key === 'batch') return chosen.value;
      yield* sleep(1);
    }
  };
}

describe('messages', () => {
  for (const [name, codec] of Object.entries(codecs)) {
    const check = (numRuns: number, receiveFor: (given: Scenario) => Receive): void => {
      const property = fc.property(scenario, (given) => {
        const received = play(() => transfer(codec, given, receiveFor(given)));
        const texts = received.map((value) =>
          value instanceof Uint8Array ? String(value) : value,
        );
        expect(texts).toEqual(given.values);
      });
      fc.assert(property, { numRuns });
    };

    it(`messages with ${name} survive any cut of the stream and any cancellation`, () => {
      check(150, ({ limits }) => interrupted(limits));
    });

    it(`batches with ${name} survive any cut of the stream and any other case of a select`, () => {
      check(150, ({ limits }) => deselected(limits));
    });
  }

  it('a decode that is interrupted between its reads leaves the message unread', () => {
    const transport = new ScriptedTransport();
    const stream = messages(new Socket(transport), paragraphs);
    play(function* () {
      transport.feed('3\none\ntwo\n');
      expect(yield* moveOnAfter(5, () => stream.receive())).toBeUndefined();
      expect(stream.socket.reader().buffered).toBe(10);
      transport.feed('three\n1\nx\n');
      expect(yield* stream.receive()).toBe('one\ntwo\nthree');
      expect(yield* stream.receive()).toBe('x');
    });
  });

  it('a decode that throws leaves the bytes unread, so the error repeats', () => {
    const transport = new ScriptedTransport();
    const refusing: Codec<string> = {
      *decode(reader): Operation<string> {
        yield* reader.readExactly(2);
        throw new RangeError('version 9 is not supported');
      },
      encode: () => Buffer.alloc(0),
    };
    const stream = messages(new Socket(transport), refusing);
    transport.feed('abcd');
    for (let i = 0; i < 2; i++) {
      expect(() => play(() => stream.receive())).toThrow('version 9');
      expect(stream.socket.reader().buffered).toBe(4);
    }
  });

  it('a decode may read at most the max of its codec', () => {
    const transport = new ScriptedTransport();
    const endless: Codec<string> = {
      max: 1000,
      *decode(reader): Operation<string> {
        for (;;) yield* reader.readExactly(100);
      },
      encode: () => Buffer.alloc(0),
    };
    transport.feed(Buffer.alloc(5000));
    const stream = messages(new Socket(transport), endless);
    expect(codeOf(() => stream.receive())).toBe('ERR_LIMIT');
  });

  it('a decode that waits for something else than its reader is ERR_CODEC_WAIT', () => {
    const sleepy: Codec<string> = {
      *decode(): Operation<string> {
        yield* sleep(1);
        return '';
      },
      encode: () => Buffer.alloc(0),
    };
    const stream = messages(new Socket(new ScriptedTransport()), sleepy);
    expect(codeOf(() => stream.receive())).toBe('ERR_CODEC_WAIT');
  });

  it('a decode that waits inside a scope is ERR_CODEC_WAIT, and leaves the scope', () => {
    const wrappers = [
      (op: Operation<Buffer | null>) => timeout(60_000, op),
      (op: Operation<Buffer | null>) => shield(op),
      (op: Operation<Buffer | null>) => moveOnAfter(1, op),
      (op: Operation<Buffer | null>) => group(() => op),
      (op: Operation<Buffer | null>) =>
        group(function* (tasks): Operation<Buffer | null> {
          return yield* tasks.spawn(op).join();
        }),
    ];
    for (const wrap of wrappers) {
      const transport = new ScriptedTransport();
      const wrapping: Codec<unknown> = {
        *decode(reader): Operation<unknown> {
          return (yield* wrap(reader.readExactly(4))) ?? null;
        },
        encode: () => Buffer.alloc(0),
      };
      const stream = messages(new Socket(transport), wrapping);
      play(function* () {
        transport.feed('ab');
        expect(yield* failureCodeOf(stream.receive())).toBe('ERR_CODEC_WAIT');
        yield* sleep(10);
        transport.feed('\n');
        stream.codec = lines({ max: 9 });
        expect(yield* stream.receive()).toBe('ab');
      });
    }
  });

  it('a decode that waits in a finally block when it is interrupted is ERR_CODEC_WAIT', () => {
    const transport = new ScriptedTransport();
    const stream = messages(new Socket(transport), waitingInFinally);
    play(function* () {
      transport.feed('ab');
      const interrupted = moveOnAfter(5, () => stream.receive());
      expect(yield* failureCodeOf(interrupted)).toBe('ERR_CODEC_WAIT');
      transport.feed('cdef');
      expect(String(yield* stream.receive())).toBe('abcd');
      transport.feed('g');
      expect(String(yield* stream.socket.reader().readExactly(2))).toBe('fg');
    });
  });

  it('a decode that catches everything does not keep the connection busy', () => {
    const transport = new ScriptedTransport();
    const stubborn: Codec<unknown> = {
      *decode(reader): Operation<unknown> {
        try {
          return yield* reader.readExactly(4);
        } finally {
          for (;;) {
            try {
              yield* reader.readExactly(9);
            } catch {
              // As a program that ignores every error.
            }
          }
        }
      },
      encode: () => Buffer.alloc(0),
    };
    const stream = messages(new Socket(transport), stubborn);
    play(function* () {
      transport.feed('ab');
      expect(yield* moveOnAfter(5, () => stream.receive())).toBeUndefined();
      expect(String(yield* stream.socket.reader().readExactly(2))).toBe('ab');
    });
  });

  it('the max of a codec does not depend on how the message arrives', () => {
    const tooLong: Codec<unknown> = {
      max: 3,
      decode: (reader) => reader.readExactly(4),
      encode: () => Buffer.alloc(0),
    };
    for (const parts of [['abcd'], ['ab', 'cd']]) {
      const transport = new ScriptedTransport();
      const stream = messages(new Socket(transport), tooLong);
      for (const part of parts) transport.feed(part);
      expect(codeOf(() => stream.receive())).toBe('ERR_LIMIT');
    }
  });

  it('a codec whose functions return something else is an error that names the function', () => {
    const socket = new Socket(new ScriptedTransport());
    const decoding = (value: unknown) =>
      messages(socket, { decode: () => value as never, encode: () => Buffer.alloc(0) }).receive();
    for (const value of [5, undefined, Promise.resolve(null)]) {
      expect(() => play(() => decoding(value))).toThrow('`decode()`');
    }
    const encoding = (value: unknown) =>
      messages(socket, { decode: lines({ max: 9 }).decode, encode: () => value as never }).send('');
    for (const value of [5, undefined, 'text', ['text'], new ArrayBuffer(2), Promise.resolve()]) {
      expect(() => encoding(value)).toThrow('`encode()`');
    }
  });

  it('a second receive is ERR_BUSY while a decode waits, and the first one continues', () => {
    const transport = new ScriptedTransport();
    const stream = messages(new Socket(transport), paragraphs);
    play(() =>
      group(function* (tasks): Operation<void> {
        const first = tasks.spawn(() => stream.receive());
        yield* sleep(1);
        for (const second of [stream.receive(), stream.socket.recv()]) {
          let code = '';
          try {
            yield* second as Operation<unknown>;
          } catch (error) {
            code = (error as { code: string }).code;
          }
          expect(code).toBe('ERR_BUSY');
        }
        transport.feed('1\na\n');
        expect(yield* first.join()).toBe('a');
      }),
    );
  });

  it('another codec takes effect from the next message on', () => {
    const transport = new ScriptedTransport();
    transport.feed('hello\n5:world,');
    const stream = messages<unknown, string>(new Socket(transport), lines({ max: 3 }));
    expect(codeOf(() => stream.receive())).toBe('ERR_LIMIT');
    stream.codec = lines({ max: 10 });
    expect(play(() => stream.receive())).toBe('hello');
    stream.codec = netstring({ max: 10 });
    expect(String(play(() => stream.receive()))).toBe('world');
  });

  it('a batch has all messages that have arrived, at most 1024', () => {
    const transport = new ScriptedTransport();
    const stream = messages(new Socket(transport), lines({ max: 10 }));
    transport.feed('x\n'.repeat(1500));
    expect(play(() => stream.receiveBatch())).toHaveLength(1024);
    expect(play(() => stream.receiveBatch())).toHaveLength(476);
  });

  it('the batches of lines have the lines that are received one by one', () => {
    const chunk = fc.stringMatching(/^[ab€\r\n]{0,20}$/);
    fc.assert(
      fc.property(
        fc.array(chunk, { maxLength: 9 }),
        fc.integer({ min: 3, max: 9 }),
        (chunks, max) => {
          const batches = receivedLines(chunks, max, (stream) => stream.receiveBatch());
          const single = receivedLines(chunks, max, function* (stream) {
            const line = yield* stream.receive();
            return line === null ? [] : [line];
          });
          expect(batches).toEqual(single);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('a batch is sent in one send, and not at all if a message cannot be encoded', () => {
    const transport = new ScriptedTransport();
    const stream = messages(new Socket(transport), lines({ max: 10 }));
    expect(() => stream.sendBatch(['a', 'b\n'])).toThrow(RangeError);
    play(() => stream.sendBatch(['a', 'b', 'c']));
    expect(transport.sends.map(String)).toEqual(['a\nb\nc\n']);
    play(() => stream.sendBatch([]));
    expect(transport.sends).toHaveLength(1);
  });

  it('a value without decode and encode is not a codec', () => {
    const socket = new Socket(new ScriptedTransport());
    expect(() => messages(socket, {} as never)).toThrow(TypeError);
    expect(() => messages(socket, undefined as never)).toThrow('lines({ max: 1000 })');
  });

  it('the end of a using block closes the socket', () => {
    const socket = new Socket(new ScriptedTransport());
    messages(socket, lines({ max: 1 }))[Symbol.dispose]();
    expect(socket.closed).toBe(true);
  });
});
