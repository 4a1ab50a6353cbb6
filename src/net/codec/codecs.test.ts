import { describe, expect, it } from 'vitest';
import { codeOf, failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import type { Operation } from '../../kernel/operation.ts';
import type { LimitError, UnexpectedEofError } from '../errors.ts';
import { Socket } from '../tcp/socket.ts';
import type { Codec, MalformedMessageError } from './codec.ts';
import { json } from './json.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { delimited, lines } from './lines.ts';
import type { Messages } from './messages.ts';
import { messages } from './messages.ts';
import { netstring } from './netstring.ts';

type Input = readonly (string | Uint8Array)[];

/** The messages of the chunks, which end with end of file. */
function openMessages<T, S>(codec: Codec<T, S>, ...chunks: Input): Messages<T, S> {
  const transport = new ScriptedTransport();
  for (const chunk of chunks) transport.feed(chunk);
  transport.finish();
  return messages(new Socket(transport), codec);
}

function bytesOf<T, S>(codec: Codec<T, S>, value: S): Buffer {
  const encoded = codec.encode(value);
  return encoded instanceof Uint8Array ? Buffer.from(encoded) : Buffer.concat(encoded);
}

function* receiveAll<T, S>(stream: Messages<T, S>): Operation<T[]> {
  const all: T[] = [];
  for (let next = yield* stream.receive(); next !== null; next = yield* stream.receive()) {
    all.push(next);
  }
  return all;
}

function received<T, S>(codec: Codec<T, S>, ...chunks: Input): unknown[] {
  const all = play(() => receiveAll(openMessages(codec, ...chunks)));
  return all.map((message) => (message instanceof Uint8Array ? String(message) : message));
}

function errorOf<T, S>(codec: Codec<T, S>, ...chunks: Input): string {
  return codeOf(() => receiveAll(openMessages(codec, ...chunks)));
}

describe('length-prefixed messages', () => {
  const codecs = [
    [{ bytes: 1 }, [3, 97, 98, 99]],
    [{ bytes: 2 }, [0, 3, 97, 98, 99]],
    [{ bytes: 2, endian: 'little' }, [3, 0, 97, 98, 99]],
    [{ bytes: 3 }, [0, 0, 3, 97, 98, 99]],
    [{ bytes: 4 }, [0, 0, 0, 3, 97, 98, 99]],
    [{ bytes: 4, endian: 'little' }, [3, 0, 0, 0, 97, 98, 99]],
    [{ bytes: 4, includesHeader: true }, [0, 0, 0, 7, 97, 98, 99]],
    [{ bytes: 8 }, [0, 0, 0, 0, 0, 0, 0, 3, 97, 98, 99]],
    [{ bytes: 8, endian: 'little', includesHeader: true }, [11, 0, 0, 0, 0, 0, 0, 0, 97, 98, 99]],
    [{ bytes: 'varint' }, [3, 97, 98, 99]],
  ] as const;
  for (const [options, bytes] of codecs) {
    it(`a length with ${JSON.stringify(options)} is written and read in this form`, () => {
      const codec = lengthPrefixed({ ...options, max: 100 });
      expect([...bytesOf(codec, 'abc')]).toEqual(bytes);
      expect(received(codec, Uint8Array.from([...bytes, ...bytes]))).toEqual(['abc', 'abc']);
      expect(received(codec, ...bytes.map((byte) => Uint8Array.of(byte)))).toEqual(['abc']);
    });
  }

  it('a varint of two bytes is written and read as protobuf defines it', () => {
    const codec = lengthPrefixed({ bytes: 'varint', max: 1000 });
    const bytes = bytesOf(codec, 'x'.repeat(300));
    expect([...bytes.subarray(0, 2)]).toEqual([0xac, 0x02]);
    expect(received(codec, bytes)).toEqual(['x'.repeat(300)]);
  });

  it('a message larger than 4 KB is sent without a copy', () => {
    const payload = Buffer.alloc(5000, 'p');
    const encoded = lengthPrefixed({ bytes: 4, max: 5000 }).encode(payload);
    expect(encoded).toHaveLength(2);
    expect((encoded as readonly Uint8Array[])[1]).toBe(payload);
  });

  it('an empty message is a message', () => {
    const codec = lengthPrefixed({ bytes: 1, max: 10 });
    expect(received(codec, Uint8Array.of(0, 0, 1, 97))).toEqual(['', '', 'a']);
  });

  it('a length above max is ERR_LIMIT before the message has arrived', () => {
    const codec = lengthPrefixed({ bytes: 4, max: 100 });
    const error = failureOf(() => openMessages(codec, Uint8Array.of(0, 0, 0, 101)).receive());
    expect(error).toMatchObject({ code: 'ERR_LIMIT', limit: 100 } satisfies Partial<LimitError>);
  });

  it('the largest length of 8 bytes is ERR_LIMIT', () => {
    const codec = lengthPrefixed({ bytes: 8, max: 100 });
    expect(errorOf(codec, Buffer.alloc(8, 255))).toBe('ERR_LIMIT');
  });

  it('a message that does not fit its length is a RangeError, not a truncated length', () => {
    const codec = lengthPrefixed({ bytes: 1, max: 1000 });
    expect(() => codec.encode(Buffer.alloc(256))).toThrow(RangeError);
    expect(bytesOf(codec, Buffer.alloc(255))).toHaveLength(256);
    const counted = lengthPrefixed({ bytes: 1, includesHeader: true, max: 1000 });
    expect(() => counted.encode(Buffer.alloc(255))).toThrow(RangeError);
    expect(bytesOf(counted, Buffer.alloc(254))[0]).toBe(255);
  });

  it('a message longer than max is a RangeError that states both', () => {
    const codec = lengthPrefixed({ bytes: 2, max: 10 });
    expect(() => codec.encode('x'.repeat(11))).toThrow('at most 10 bytes, got 11');
  });

  it('a length that is shorter than itself is ERR_MALFORMED_MESSAGE', () => {
    const codec = lengthPrefixed({ bytes: 4, includesHeader: true, max: 10 });
    expect(errorOf(codec, Uint8Array.of(0, 0, 0, 3))).toBe('ERR_MALFORMED_MESSAGE');
  });

  it('a varint of more than 10 bytes is ERR_MALFORMED_MESSAGE', () => {
    const codec = lengthPrefixed({ bytes: 'varint', max: 10 });
    expect(errorOf(codec, Buffer.alloc(11, 0x80))).toBe('ERR_MALFORMED_MESSAGE');
  });

  it('a truncated message names the expected length and keeps the received bytes', () => {
    const codec = lengthPrefixed({ bytes: 2, max: 10 });
    const error = failureOf(() => openMessages(codec, Uint8Array.of(0, 4, 97)).receive());
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_EOF' });
    expect((error as Error).message).toContain('a message of 4 bytes');
    expect([...(error as UnexpectedEofError).bytes]).toEqual([0, 4, 97]);
  });

  it('a length without a limit, and unknown options, are rejected', () => {
    const options = { bytes: 4 } as unknown as { bytes: 4; max: number };
    expect(() => lengthPrefixed(options)).toThrow(TypeError);
    expect(() => lengthPrefixed({ bytes: 5 as 4, max: 1 })).toThrow(RangeError);
    expect(() => lengthPrefixed({ bytes: 'varint', includesHeader: true, max: 1 })).toThrow();
    expect(() => lengthPrefixed({ bytes: 4, max: 1, edian: 'big' } as never)).toThrow('endian');
  });
});

describe('lines as messages', () => {
  it('a line is received without its end, and the last one may lack it', () => {
    expect(received(lines({ max: 10 }), 'a\r\nb\n', '\n', 'last')).toEqual(['a', 'b', '', 'last']);
  });

  it('a line that is too long is ERR_LIMIT, or is skipped in whatever parts it arrives', () => {
    const input = ['ok\n', 'x'.repeat(11), 'x'.repeat(500), 'x\nafter\n', 'y'.repeat(30)];
    expect(errorOf(lines({ max: 10 }), ...input)).toBe('ERR_LIMIT');
    expect(received(lines({ max: 10, onTooLong: 'skip' }), ...input)).toEqual(['ok', 'after']);
  });

  it('a skipped line occupies no memory', () => {
    const transport = new ScriptedTransport();
    const stream = messages(new Socket(transport), lines({ max: 100, onTooLong: 'skip' }));
    for (let i = 0; i < 50; i++) transport.feed(Buffer.alloc(60_000, 'x'));
    transport.feed('\nend\n');
    expect(play(() => stream.receive())).toBe('end');
    expect(stream.socket.reader().buffered).toBe(0);
  });

  it('a text that contains a line end cannot be sent as one line', () => {
    const codec = lines({ max: 20 });
    expect(() => codec.encode('a\nb')).toThrow(RangeError);
    expect(() => codec.encode('a\rb')).toThrow(RangeError);
    expect(() => codec.encode('é'.repeat(11))).toThrow('at most 20 bytes');
    expect(String(codec.encode('é'))).toBe('é\n');
  });
});

describe('delimited messages', () => {
  it('a message is received and sent without its delimiter', () => {
    const codec = delimited('\r\n\r\n', { max: 20 });
    expect(received(codec, 'a\r\n\r', '\nb\r\nc\r\n\r\n')).toEqual(['a', 'b\r\nc']);
    expect(String(bytesOf(codec, 'x'))).toBe('x\r\n\r\n');
    expect(() => codec.encode('x\r\n\r\ny')).toThrow(RangeError);
  });

  it('a message of exactly max bytes is received, a longer one is ERR_LIMIT', () => {
    const codec = delimited('--', { max: 4 });
    expect(received(codec, 'abcd-', '-')).toEqual(['abcd']);
    expect(errorOf(codec, 'abcde-')).toBe('ERR_LIMIT');
  });

  it('a stream that ends without the delimiter is ERR_UNEXPECTED_EOF', () => {
    expect(errorOf(delimited(';', { max: 9 }), 'a;b')).toBe('ERR_UNEXPECTED_EOF');
  });
});

describe('netstrings', () => {
  const codec = netstring({ max: 12 });

  it('a netstring is received and sent in the form of its definition', () => {
    expect(received(codec, '5:hello,0:,', '12:hello world!,')).toEqual([
      'hello',
      '',
      'hello world!',
    ]);
    expect(String(bytesOf(codec, 'hi'))).toBe('2:hi,');
  });

  for (const [input, code] of [
    ['13:', 'ERR_LIMIT'],
    ['999999999999999999999:', 'ERR_LIMIT'],
    ['02:hi,', 'ERR_MALFORMED_MESSAGE'],
    ['2:hi;', 'ERR_MALFORMED_MESSAGE'],
    [':x,', 'ERR_MALFORMED_MESSAGE'],
    ['-1:x,', 'ERR_MALFORMED_MESSAGE'],
    ['2:h', 'ERR_UNEXPECTED_EOF'],
  ] as const) {
    it(`the netstring '${input}' is ${code}`, () => {
      expect(errorOf(codec, input)).toBe(code);
    });
  }
});

/** A codec of a program's own, over two reads. */
const pairs: Codec<string> = {
  *decode(reader): Operation<string | null> {
    const size = yield* reader.readExactly(1);
    if (size === null) return null;
    return String(yield* reader.readExactly(size[0] as number));
  },
  encode: (value) => Buffer.from(`${String.fromCharCode(value.length)}${value}`),
};

for (const [name, inner] of [
  ['lines', lines({ max: 30 })],
  ["a program's own codec", pairs],
] as const) {
  describe(`JSON in ${name}`, () => {
    const codec = json<{ readonly n: number }>(inner);

    it('values are received and sent', () => {
      const bytes = Buffer.concat([bytesOf(codec, { n: 1 }), bytesOf(codec, { n: 2 })]);
      expect(received(codec, bytes)).toEqual([{ n: 1 }, { n: 2 }]);
    });

    it('a text that is not JSON is an error of one message', () => {
      const bytes = ['{"n":', 'null', '{"n":3}'].map((text) => bytesOf(inner, text));
      const stream = openMessages(codec, Buffer.concat(bytes));
      for (let i = 0; i < 2; i++) {
        const error = failureOf(() => stream.receive()) as MalformedMessageError;
        expect(error.code).toBe('ERR_MALFORMED_MESSAGE');
        expect(error.recoverable).toBe(true);
      }
      expect(play(() => stream.receive())).toEqual({ n: 3 });
    });

    it('an error in a batch is thrown after the messages before it', () => {
      const bytes = ['{"n":1}', '{', '{"n":3}'].map((text) => bytesOf(inner, text));
      const stream = openMessages(codec, Buffer.concat(bytes));
      expect(play(() => stream.receiveBatch())).toEqual([{ n: 1 }]);
      expect(codeOf(() => stream.receiveBatch())).toBe('ERR_MALFORMED_MESSAGE');
      expect(play(() => stream.receiveBatch())).toEqual([{ n: 3 }]);
      expect(play(() => stream.receiveBatch())).toEqual([]);
    });

    it('values that JSON cannot represent are a TypeError', () => {
      for (const value of [null, undefined, () => {}, Number.NaN]) {
        expect(() => codec.encode(value as never)).toThrow(TypeError);
      }
    });
  });
}

it('JSON in bytes that are not UTF-8 is ERR_MALFORMED_MESSAGE', () => {
  const codec = json(lengthPrefixed({ bytes: 1, max: 9 }));
  expect(errorOf(codec, Uint8Array.of(3, 0x22, 0xff, 0x22))).toBe('ERR_MALFORMED_MESSAGE');
});
