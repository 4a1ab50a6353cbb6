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

/** A reader of the chunks, followed by end of file. */
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
  it('a socket has one reader, which accepts new options', () => {
    const { reader, socket } = openReaderOf('12345678\n');
    expect(socket.reader({ max: 4 })).toBe(reader);
    expect(codeOf(() => reader.readLine())).toBe('ERR_LIMIT');
    socket.reader();
    expect(codeOf(() => reader.readLine())).toBe('ERR_LIMIT');
    socket.reader({ max: 8 });
    expect(play(() => reader.readLine())).toBe('12345678');
  });

  it('a reader returns held bytes before it receives', () => {
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

  it('a reader returns an empty Buffer at end of file, repeatedly', () => {
    const reader = readerOf();
    play(function* () {
      for (let i = 0; i < 3; i++) expect((yield* reader.read()).length).toBe(0);
    });
  });

  it('a reader does not copy a message within one chunk', () => {
    const chunk = Buffer.from('head|body');
    const reader = readerOf(chunk);
    const [head, body] = play(function* () {
      return [yield* reader.readUntil('|'), yield* reader.readExactly(4)];
    });
    expect([head?.buffer, body?.buffer]).toEqual([chunk.buffer, chunk.buffer]);
    expect([String(head), String(body)]).toEqual(['head|', 'body']);
  });

  it('a reader never overwrites bytes that it has returned', () => {
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

  it('a disposed reader leaves the socket open and keeps its held bytes', () => {
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
  it('readExactly joins bytes that arrive in chunks', () => {
    expect(textOf(play(() => readerOf('ab', 'c', 'def').readExactly(5)))).toBe('abcde');
  });

  it('readExactly of 0 bytes returns an empty Buffer at once, even at end of file', () => {
    const { reader } = openReaderOf();
    expect(play(() => reader.readExactly(0))?.length).toBe(0);
    expect(play(() => readerOf().readExactly(0))?.length).toBe(0);
  });

  it('readExactly returns null at end of file, and within a message throws with its bytes', () => {
    const reader = readerOf('abc');
    const error = failureOf(() => reader.readExactly(4));
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_EOF', bytes: Buffer.from('abc') });
    expect(reader.buffered).toBe(0);
    expect(play(() => reader.readExactly(4))).toBe(null);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 31])('readExactly rejects %s bytes', (n) => {
    expect(() => readerOf().readExactly(n)).toThrow(RangeError);
  });
});

describe('readUntil', () => {
  it('readUntil returns the bytes with the delimiter, which may arrive in chunks', () => {
    const reader = readerOf('a\r', '\n\r', '\nrest\r', '\r\n');
    play(function* () {
      const found: (string | null)[] = [];
      for (let i = 0; i < 4; i++) found.push(textOf(yield* reader.readUntil('\r\n')));
      expect(found).toEqual(['a\r\n', '\r\n', 'rest\r\r\n', null]);
    });
  });

  it('readUntil accepts bytes or a text, and another delimiter each time', () => {
    const reader = readerOf('a|b→c\0d');
    play(function* () {
      expect(textOf(yield* reader.readUntil('|'))).toBe('a|');
      expect(textOf(yield* reader.readUntil('→'))).toBe('b→');
      expect(textOf(yield* reader.readUntil(new Uint8Array([0])))).toBe('c\0');
    });
  });

  it('readUntil searches again for another delimiter, and for one whose bytes were changed', () => {
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

  it('readUntil finds a delimiter among moved bytes and among new ones', () => {
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

  it('readUntil throws with the received bytes if end of file comes first', () => {
    const reader = readerOf('abc');
    const error = failureOf(() => reader.readUntil('\n'));
    expect(error).toMatchObject({ code: 'ERR_UNEXPECTED_EOF', bytes: Buffer.from('abc') });
    expect(play(() => reader.readUntil('\n'))).toBe(null);
  });

  it('readUntil includes the delimiter in the limit; a longer message stays readable', () => {
    const reader = readerOf('123\n', '5678\n');
    play(function* () {
      expect(textOf(yield* reader.readUntil('\n', { max: 4 }))).toBe('123\n');
    });
    const error = failureOf(() => reader.readUntil('\n', { max: 4 }));
    expect(error).toMatchObject({ code: 'ERR_LIMIT', limit: 4, buffered: 5 });
    expect(textOf(play(() => reader.readUntil('\n', { max: 5 })))).toBe('5678\n');
  });

  it('readUntil reports a message that is too long before its delimiter arrives', () => {
    const { reader } = openReaderOf('12', '34');
    expect(failureOf(() => reader.readUntil('\n', { max: 4 }))).toMatchObject({ buffered: 4 });
  });

  it('readUntil rejects an empty delimiter and values without bytes', () => {
    const reader = readerOf('a');
    expect(() => reader.readUntil('')).toThrow(RangeError);
    expect(() => reader.readUntil(new Uint8Array(0))).toThrow(RangeError);
    expect(() => reader.readUntil(10 as unknown as string)).toThrow(TypeError);
    expect(() => reader.readUntil('\n', { max: 0 })).toThrow(RangeError);
    expect(String(play(() => reader.read()))).toBe('a');
  });
});

describe('readLine', () => {
  it('readLine removes the line ending, which the last line may lack', () => {
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

  it('readLine decodes characters that arrive in parts', () => {
    const text = 'grün → 漢字 🎉\n';
    const bytes = Buffer.from(text);
    for (let cut = 0; cut <= bytes.length; cut++) {
      expect(linesOf(bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([text.trim()]);
    }
  });

  it('readLine replaces invalid UTF-8 with U+FFFD', () => {
    expect(linesOf(Buffer.from([0x61, 0xff, 0xe2, 0x86, 0x0a, 0x62]))).toEqual(['a��', 'b']);
  });

  it('readLine returns the same lines whether they are decoded together or one by one', () => {
    const texts = ['a', '', 'cr\r', 'größer', 'b'.repeat(3000), '漢字', '\r', 'c', '🙂', 'd'];
    const lines = Array.from({ length: 5 }, () => texts).flat();
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const expected = lines.map((line) => line.replace(/\r$/, ''));
    for (const size of [1, 7, 100, bytes.length]) {
      const chunks: Buffer[] = [];
      for (let i = 0; i < bytes.length; i += size) chunks.push(bytes.subarray(i, i + size));
      const reader = readerOf(...chunks);
      play(function* () {
        for (const line of expected) expect(yield* reader.readLine()).toBe(line);
        expect(yield* reader.readLine()).toBe(null);
      });
    }
  });

  it('readLine and other reads can be mixed among lines that were decoded together', () => {
    const reader = readerOf('one\ntwo\nthree\n\xfftwo bytes\nfour\nfive\nsix\n');
    play(function* () {
      expect(yield* reader.readLine()).toBe('one');
      expect(textOf(yield* reader.readExactly(2))).toBe('tw');
      expect(yield* reader.readLine()).toBe('o');
      expect(textOf(yield* reader.readUntil('\n'))).toBe('three\n');
      expect(yield* reader.readLine()).toBe('\xfftwo bytes');
      expect(yield* failureCode(() => reader.readLine({ max: 3 }))).toBe('ERR_LIMIT');
      expect(yield* reader.readLines()).toEqual(['four', 'five', 'six']);
    });
  });

  it('readLine limits the bytes of the line without its ending', () => {
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

  it('readLine waits for the byte after a carriage return at the limit', () => {
    const { reader, transport } = openReaderOf('123\r');
    play(function* () {
      expect(yield* moveOnAfter(1, () => reader.readLine({ max: 3 }))).toBeUndefined();
      transport.feed('\n');
      expect(yield* reader.readLine({ max: 3 })).toBe('123');
    });
    transport.feed('123\rx');
    expect(codeOf(() => reader.readLine({ max: 3 }))).toBe('ERR_LIMIT');
  });

  it('readLine does not wait for the ending of a line that is already too long', () => {
    const { reader } = openReaderOf('1234');
    expect(codeOf(() => reader.readLine({ max: 3 }))).toBe('ERR_LIMIT');
  });
});

describe('readLines', () => {
  it('readLines returns all complete lines that have arrived, and at last the rest', () => {
    const { reader, transport } = openReaderOf('a\r\nb\n\n\r\nc\rd\r\r\nin', 'complete\nnext');
    play(function* () {
      expect(yield* reader.readLines()).toEqual(['a', 'b', '', '', 'c\rd\r']);
      expect(reader.buffered).toBe(2);
      expect(yield* reader.readLines()).toEqual(['incomplete']);
      expect(yield* moveOnAfter(1, () => reader.readLines())).toBeUndefined();
      transport.finish();
      expect(yield* reader.readLines()).toEqual(['next']);
      expect(yield* reader.readLines()).toBe(null);
    });
  });

  it('readLines decodes characters that arrive in parts, and replaces invalid UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('grün → 漢字 🎉\n'), Buffer.from([0xe2, 0x86, 0x0a])]);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = readerOf(bytes.subarray(0, cut), bytes.subarray(cut));
      const lines = play(function* () {
        const all: string[] = [];
        for (let more = yield* reader.readLines(); more !== null; more = yield* reader.readLines())
          all.push(...more);
        return all;
      });
      expect(lines).toEqual(['grün → 漢字 🎉', '\uFFFD']);
    }
  });

  it('readLines returns the lines before one that is too long, which stays readable', () => {
    const reader = readerOf('123\r\n→\n1234\n5\n');
    const options = { max: 3 };
    expect(play(() => reader.readLines(options))).toEqual(['123', '→']);
    expect(failureOf(() => reader.readLines(options))).toMatchObject({
      code: 'ERR_LIMIT',
      limit: 3,
    });
    expect(play(() => reader.readLine())).toBe('1234');
    expect(play(() => reader.readLines(options))).toEqual(['5']);
  });

  it('readLines uses the maximum of the reader, and rejects an invalid one', () => {
    const { reader, socket } = openReaderOf('123456\n');
    socket.reader({ max: 5 });
    expect(codeOf(() => reader.readLines())).toBe('ERR_LIMIT');
    expect(() => reader.readLines({ max: 0 })).toThrow(RangeError);
  });
});

describe('peek', () => {
  it('peek returns a copy of the next bytes, which stay readable', () => {
    const { reader, transport } = openReaderOf('ab', 'cdef');
    play(function* () {
      const peeked = yield* reader.peek(3);
      expect(textOf(peeked)).toBe('abc');
      peeked?.fill('x');
      expect(textOf(yield* reader.peek(1))).toBe('a');
      expect(transport.receives).toBe(2);
      expect(textOf(yield* reader.readExactly(6))).toBe('abcdef');
      expect((yield* reader.peek(0))?.length).toBe(0);
    });
  });

  it('peek returns null at end of file, and throws if fewer bytes are left, which stay', () => {
    const reader = readerOf('abc');
    const bytes = Buffer.from('abc');
    expect(failureOf(() => reader.peek(4))).toMatchObject({ code: 'ERR_UNEXPECTED_EOF', bytes });
    expect(textOf(play(() => reader.peek(3)))).toBe('abc');
    expect(textOf(play(() => reader.read()))).toBe('abc');
    expect(play(() => reader.peek(1))).toBe(null);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 31])('peek rejects %s bytes', (n) => {
    expect(() => readerOf().peek(n)).toThrow(RangeError);
  });
});

describe('an error of the connection', () => {
  it('an error of the connection comes after the bytes before it', () => {
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

describe('direct receives of a socket with a reader', () => {
  it('direct receives fail while the reader holds bytes, and report how many', () => {
    const { reader, socket } = openReaderOf('a\nbc');
    play(function* () {
      const early = socket.recvInto(new Uint8Array(1));
      expect(yield* reader.readLine()).toBe('a');
      const rejected = expect.objectContaining({
        code: 'ERR_BUFFERED',
        message: expect.stringContaining('2 bytes'),
      });
      expect(() => socket.recv()).toThrow(rejected);
      expect(() => socket.recvInto(new Uint8Array(1))).toThrow(rejected);
      expect(() => socket.tryRecv()).toThrow(rejected);
      expect(failureOf(() => early)).toEqual(rejected);
      expect(String(yield* reader.read())).toBe('bc');
      expect(socket.tryRecv()).toBeUndefined();
    });
  });
});

describe('a read', () => {
  it('a forgotten read is reported by the next read of any kind', () => {
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

  it('a second read in progress fails with ERR_BUSY, even if its bytes are held', () => {
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

  it('a read can be a case of select, and loses no byte if another case is taken', () => {
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

  it('a read of a long message from a fast peer lets other tasks run', () => {
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
