import { describe, expect, it } from 'vitest';
import { codeOf, failureOf, play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import { failureCode } from '../../../test/support/sockets.ts';
import { select } from '../../flow/select/select.ts';
import type { Operation } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import { Socket } from '../tcp/socket.ts';
import type { Reader } from './reader.ts';

/** A reader of the chunks, and the end of file behind them. */
function readerOf(...chunks: readonly (string | Uint8Array)[]): Reader {
  const { reader, transport } = openReaderOf(...chunks);
  transport.finish();
  return reader;
}

function openReaderOf(...chunks: readonly (string | Uint8Array)[]): {
  readonly reader: Reader;
  readonly socket: Socket;
  readonly transport: ScriptedTransport;
} {
  const transport = new ScriptedTransport();
  for (const chunk of chunks) transport.feed(chunk);
  const socket = new Socket(transport);
  return { reader: socket.reader(), socket, transport };
}

function textOf(bytes: Buffer | null): string | null {
  return bytes === null ? null : String(bytes);
}

describe('a reader', () => {
  it('is one for each socket, and takes new options', () => {
    const { reader, socket } = openReaderOf('12345678\n');
    expect(socket.reader({ max: 4 })).toBe(reader);
    expect(codeOf(() => reader.readLine())).toBe('ERR_LIMIT');
    socket.reader();
    expect(codeOf(() => reader.readLine())).toBe('ERR_LIMIT');
    socket.reader({ max: 8 });
    expect(play(() => reader.readLine())).toBe('12345678');
  });

  it('gives bytes that are held before it receives', () => {
    const { reader, transport } = openReaderOf('a\nbcd', 'later');
    play(function* () {
      expect(yield* reader.readLine()).toBe('a');
      expect(reader.buffered).toBe(3);
      expect(String(yield* reader.read(2))).toBe('bc');
      expect(String(yield* reader.read())).toBe('d');
      expect(transport.receives).toBe(1);
      expect(String(yield* reader.read())).toBe('later');
    });
  });

  it('gives an empty Buffer at the end, again and again', () => {
    const reader = readerOf();
    play(function* () {
      for (let i = 0; i < 3; i++) expect((yield* reader.read()).length).toBe(0);
    });
  });

  it('does not copy a message that lies within one chunk', () => {
    const chunk = Buffer.from('head|body');
    const reader = readerOf(chunk);
    const [head, body] = play(function* () {
      return [yield* reader.readUntil('|'), yield* reader.readExactly(4)];
    });
    expect([head?.buffer, body?.buffer]).toEqual([chunk.buffer, chunk.buffer]);
    expect([String(head), String(body)]).toEqual(['head|', 'body']);
  });

  it('never writes again what it has given out', () => {
    const reader = readerOf('ab', 'cd', 'efgh', 'ijkl', 'mn');
    play(function* () {
      const first = yield* reader.readExactly(3);
      const second = yield* reader.readExactly(6);
      const third = yield* reader.readExactly(5);
      expect([first, second, third].map(textOf)).toEqual(['abc', 'defghi', 'jklmn']);
      first?.fill('x');
      expect(textOf(second)).toBe('defghi');
    });
  });

  it('that is disposed of leaves the socket open and keeps what it holds', () => {
    const { socket } = openReaderOf('a\nb');
    play(function* () {
      {
        using reader = socket.reader();
        expect(yield* reader.readLine()).toBe('a');
      }
      expect(socket.closed).toBe(false);
      expect(String(yield* socket.reader().read())).toBe('b');
    });
  });
});

describe('readExactly', () => {
  it('joins what comes in pieces', () => {
    expect(textOf(play(() => readerOf('ab', 'c', 'def').readExactly(5)))).toBe('abcde');
  });

  it('of 0 bytes is an empty Buffer at once, also at the end', () => {
    const { reader } = openReaderOf();
    expect(play(() => reader.readExactly(0))?.length).toBe(0);
    expect(play(() => readerOf().readExactly(0))?.length).toBe(0);
  });

  it('gives null at the end, and an error with the bytes in the middle', () => {
    const reader = readerOf('abc');
    const error = failureOf(() => reader.readExactly(4));
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_EOF', bytes: Buffer.from('abc') });
    expect(reader.buffered).toBe(0);
    expect(play(() => reader.readExactly(4))).toBe(null);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 31])('refuses %s bytes', (n) => {
    expect(() => readerOf().readExactly(n)).toThrow(RangeError);
  });
});

describe('readUntil', () => {
  it('gives the delimiter, too, however it was cut', () => {
    const reader = readerOf('a\r', '\n\r', '\nrest\r', '\r\n');
    play(function* () {
      const found: (string | null)[] = [];
      for (let i = 0; i < 4; i++) found.push(textOf(yield* reader.readUntil('\r\n')));
      expect(found).toEqual(['a\r\n', '\r\n', 'rest\r\r\n', null]);
    });
  });

  it('takes bytes or a text, and a different one each time', () => {
    const reader = readerOf('a|b→c\0d');
    play(function* () {
      expect(textOf(yield* reader.readUntil('|'))).toBe('a|');
      expect(textOf(yield* reader.readUntil('→'))).toBe('b→');
      expect(textOf(yield* reader.readUntil(new Uint8Array([0])))).toBe('c\0');
    });
  });

  it('looks at the bytes again for another delimiter, or for one whose bytes were changed', () => {
    const { reader, transport } = openReaderOf('a;b,c');
    const delimiter = Buffer.from('|');
    play(function* () {
      expect(yield* moveOnAfter(1, () => reader.readUntil(delimiter))).toBeUndefined();
      delimiter.write(',');
      expect(yield* moveOnAfter(1, () => reader.readUntil('::'))).toBeUndefined();
      expect(textOf(yield* reader.readUntil(';'))).toBe('a;');
      expect(textOf(yield* reader.readUntil(delimiter))).toBe('b,');
      transport.feed('|');
      expect(textOf(yield* reader.readUntil('|'))).toBe('c|');
    });
  });

  it('finds what was there before another read has moved the bytes, and what it brought', () => {
    const { reader, transport } = openReaderOf('abc\ndef');
    expect(codeOf(() => reader.readUntil('\n', { max: 3 }))).toBe('ERR_LIMIT');
    play(function* () {
      expect(yield* moveOnAfter(1, () => reader.readExactly(20))).toBeUndefined();
      expect(textOf(yield* reader.readUntil('\n'))).toBe('abc\n');
      expect(yield* moveOnAfter(1, () => reader.readUntil('\n'))).toBeUndefined();
      transport.feed('g\nhi');
      expect(yield* moveOnAfter(1, () => reader.readExactly(20))).toBeUndefined();
      expect(textOf(yield* reader.readUntil('\n'))).toBe('defg\n');
    });
  });

  it('ends with an error that has the bytes if the end comes first', () => {
    const reader = readerOf('abc');
    const error = failureOf(() => reader.readUntil('\n'));
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_EOF', bytes: Buffer.from('abc') });
    expect(play(() => reader.readUntil('\n'))).toBe(null);
  });

  it('counts the delimiter; what is longer than max stays readable', () => {
    const reader = readerOf('123\n', '5678\n');
    play(function* () {
      expect(textOf(yield* reader.readUntil('\n', { max: 4 }))).toBe('123\n');
    });
    const error = failureOf(() => reader.readUntil('\n', { max: 4 }));
    expect(error).toMatchObject({ code: 'ERR_LIMIT', limit: 4, buffered: 5 });
    expect(textOf(play(() => reader.readUntil('\n', { max: 5 })))).toBe('5678\n');
  });

  it('knows that it is too long before the delimiter has come', () => {
    const { reader } = openReaderOf('12', '34');
    expect(failureOf(() => reader.readUntil('\n', { max: 4 }))).toMatchObject({ buffered: 4 });
  });

  it('refuses an empty delimiter, and what is none', () => {
    const reader = readerOf('a');
    expect(() => reader.readUntil('')).toThrow(RangeError);
    expect(() => reader.readUntil(new Uint8Array(0))).toThrow(RangeError);
    expect(() => reader.readUntil(10 as unknown as string)).toThrow(TypeError);
    expect(() => reader.readUntil('\n', { max: 0 })).toThrow(RangeError);
    expect(String(play(() => reader.read()))).toBe('a');
  });
});

describe('readLine', () => {
  it('takes off what ends a line, and gives the last one without it', () => {
    expect(linesOf('a\nb\r\n\n\r\nc\rd\r\r\nlast\r')).toEqual([
      'a',
      'b',
      '',
      '',
      'c\rd\r',
      'last\r',
    ]);
    expect(linesOf('a\r', '\nb', '\n')).toEqual(['a', 'b']);
  });

  it('puts characters together that were cut', () => {
    const text = 'grün → 漢字 🎉\n';
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(linesOf(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([text.trim()]);
    }
  });

  it('makes U+FFFD of what is no UTF-8', () => {
    expect(linesOf(Buffer.from([0x61, 0xff, 0xe2, 0x86, 0x0a, 0x62]))).toEqual(['a��', 'b']);
  });

  it('counts bytes of the line alone', () => {
    const options = { max: 3 };
    const reader = readerOf('123\r\n', '→\n', '1234\n', '123');
    play(function* () {
      expect(yield* reader.readLine(options)).toBe('123');
      expect(yield* reader.readLine(options)).toBe('→');
    });
    expect(failureOf(() => reader.readLine(options))).toMatchObject({
      code: 'ERR_LIMIT',
      limit: 3,
    });
    play(function* () {
      expect(yield* reader.readLine()).toBe('1234');
      expect(yield* reader.readLine(options)).toBe('123');
      expect(yield* reader.readLine(options)).toBe(null);
    });
  });

  it('waits for what follows a carriage return at the limit', () => {
    const { reader, transport } = openReaderOf('123\r');
    play(function* () {
      expect(yield* moveOnAfter(1, () => reader.readLine({ max: 3 }))).toBeUndefined();
      transport.feed('\n');
      expect(yield* reader.readLine({ max: 3 })).toBe('123');
    });
    transport.feed('123\rx');
    expect(codeOf(() => reader.readLine({ max: 3 }))).toBe('ERR_LIMIT');
  });

  it('does not wait for the end of a line that is too long already', () => {
    const { reader } = openReaderOf('1234');
    expect(codeOf(() => reader.readLine({ max: 3 }))).toBe('ERR_LIMIT');
  });
});

describe('an error of the connection', () => {
  it('comes behind the bytes that came before it', () => {
    const { reader, transport } = openReaderOf('line\npart');
    transport.finish(Object.assign(new Error('reset'), { code: 'ECONNRESET' }));
    play(function* () {
      expect(yield* reader.readLine()).toBe('line');
    });
    expect(codeOf(() => reader.readLine())).toBe('ECONNRESET');
    expect(codeOf(() => reader.readExactly(5))).toBe('ECONNRESET');
    expect(String(play(() => reader.read()))).toBe('part');
    expect(codeOf(() => reader.read())).toBe('ECONNRESET');
  });
});

describe('receives past the reader', () => {
  it('are refused while it holds bytes, with the number of them', () => {
    const { reader, socket } = openReaderOf('a\nbc');
    play(function* () {
      const early = socket.recvInto(new Uint8Array(1));
      expect(yield* reader.readLine()).toBe('a');
      const refused = expect.objectContaining({
        code: 'ERR_BUFFERED',
        message: expect.stringContaining('2 bytes'),
      });
      expect(() => socket.recv()).toThrow(refused);
      expect(() => socket.recvInto(new Uint8Array(1))).toThrow(refused);
      expect(() => socket.tryRecv()).toThrow(refused);
      expect(failureOf(() => early)).toEqual(refused);
      expect(String(yield* reader.read())).toBe('bc');
      expect(socket.tryRecv()).toBeUndefined();
    });
  });
});

describe('a read', () => {
  it('that is forgotten is noticed by the next one, of whatever kind', () => {
    const { reader, socket } = openReaderOf('a\n');
    reader.readLine();
    const forgotten = expect.objectContaining({
      code: 'ERR_NOT_DRIVEN',
      message: expect.stringContaining('right:  yield* reader.readLine()'),
    });
    expect(() => reader.read()).toThrow(forgotten);
    expect(play(() => reader.readLine())).toBe('a');
    reader.readLine();
    expect(() => socket.checkDriven()).toThrow(forgotten);
  });

  it('meets ERR_BUSY while another one is in progress, also if its bytes are held', () => {
    const { reader, socket, transport } = openReaderOf('abc');
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        const first = tasks.spawn(() => reader.readLine());
        yield;
        expect(yield* failureCode(() => reader.read())).toBe('ERR_BUSY');
        expect(yield* failureCode(() => reader.readLine())).toBe('ERR_BUSY');
        expect(first.state).toBe('waiting');
        transport.feed('\nd');
        expect(yield* first.join()).toBe('abc');
        const raw = tasks.spawn(() => reader.readExactly(2));
        yield;
        expect(yield* failureCode(() => reader.read())).toBe('ERR_BUSY');
        transport.feed('e');
        expect(textOf(yield* raw.join())).toBe('de');
      });
      expect(socket.receiving).toBe(null);
    });
  });

  it('is an arm of select, and loses nothing when it is not taken', () => {
    const { reader, transport } = openReaderOf('par');
    play(function* () {
      const late = yield* select({ late: sleep(1), line: reader.readLine() });
      expect(late.key).toBe('late');
      expect(reader.buffered).toBe(3);
      transport.feed('t\n');
      expect(yield* select({ line: reader.readLine(), never: sleep(Infinity) })).toEqual({
        key: 'line',
        value: 'part',
      });
      transport.finish();
      expect(yield* select({ line: reader.readLine(), never: sleep(Infinity) })).toEqual({
        key: 'line',
        value: null,
      });
    });
  });

  it('lets others run while a fast peer sends a long message', () => {
    const block = Buffer.alloc(65536, 'x');
    const { reader } = openReaderOf(...Array.from({ length: 64 }, () => block));
    play(function* () {
      yield* group(function* (tasks): Operation<void> {
        const long = tasks.spawn(() => reader.readExactly(64 * 65536));
        yield;
        yield;
        expect([long.state, reader.buffered < 64 * 65536]).toEqual(['ready', true]);
        expect((yield* long.join())?.length).toBe(64 * 65536);
      });
    });
  });
});

function linesOf(...chunks: readonly (string | Uint8Array)[]): string[] {
  const reader = readerOf(...chunks);
  return play(function* () {
    const lines: string[] = [];
    for (;;) {
      const line = yield* reader.readLine();
      if (line === null) return lines;
      lines.push(line);
    }
  });
}
