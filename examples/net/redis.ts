// A small server for the Redis protocol (RESP 2), enough for redis-cli and
// redis-benchmark: node redis.js [port], then redis-cli -p 6380 set greeting hello
import type { Operation, Reader, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

const LONGEST_VALUE = 1_000_000;
const MOST_WORDS = 1000;
const CRLF = 2;

const values = new Map<string, Buffer>();

/** The response to a command, encoded. */
type Command = (words: readonly Buffer[]) => string | Buffer;

const commands: Readonly<Record<string, Command>> = {
  PING: ([text]) => (text === undefined ? '+PONG\r\n' : bulk(text)),
  ECHO: ([text]) => bulk(text),
  SET([key, value]) {
    if (value === undefined) return '-ERR wrong number of arguments\r\n';
    values.set(String(key), Buffer.from(value)); // a copy: the received bytes share memory
    return '+OK\r\n';
  },
  GET: ([key]) => bulk(values.get(String(key))),
  DEL: (keys) => `:${keys.filter((key) => values.delete(String(key))).length}\r\n`,
  EXISTS: (keys) => `:${keys.filter((key) => values.has(String(key))).length}\r\n`,
  INCR([key]) {
    const next = Number(values.get(String(key)) ?? 0) + 1;
    if (!Number.isSafeInteger(next)) return '-ERR value is not an integer or out of range\r\n';
    values.set(String(key), Buffer.from(String(next)));
    return `:${next}\r\n`;
  },
  DBSIZE: () => `:${values.size}\r\n`,
  COMMAND: () => '*0\r\n',
  CONFIG: () => '*0\r\n',
};

function bulk(value: Buffer | undefined): string | Buffer {
  if (value === undefined) return '$-1\r\n';
  return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
}

function* readWords(reader: Reader): Operation<Buffer[] | null> {
  const line = yield* reader.readLine();
  if (line === null) return null;
  if (!line.startsWith('*')) return line.split(' ').map((word) => Buffer.from(word));
  const words: Buffer[] = [];
  for (let left = lengthOf(line, MOST_WORDS); left > 0; left--) {
    const header = (yield* reader.readLine()) ?? '';
    const length = lengthOf(header, LONGEST_VALUE);
    const word = yield* reader.readExactly(length + CRLF);
    words.push(word?.subarray(0, length) ?? Buffer.alloc(0));
  }
  return words;
}

/** The number after the type byte of a header, such as "$5". */
function lengthOf(header: string, most: number): number {
  const length = Number(header.slice(1) || Number.NaN);
  if (Number.isInteger(length) && length >= 0 && length <= most) return length;
  throw new RangeError(`a length of '${header}' is none, or more than ${most}`);
}

function* serveClient(socket: Socket): Operation<void> {
  const reader = socket.reader();
  const writer = socket.writer({ autoFlush: true }); // pipelined answers leave together
  for (;;) {
    const words = yield* readWords(reader);
    if (words === null) return;
    const [name = '', ...rest] = words.map(String);
    const command = commands[name.toUpperCase()];
    const answer = command?.(words.slice(1)) ?? `-ERR unknown command '${name}' ${rest.length}\r\n`;
    if (writer.buffered + answer.length > 60_000) yield* writer.flush();
    if (answer.length > 60_000) yield* socket.sendAll(answer);
    else writer.write(answer);
  }
}

const [port = '6380'] = process.argv.slice(2);
await main(() => tcpServer(`127.0.0.1:${port}`, serveClient));
