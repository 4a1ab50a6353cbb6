/** The errors of the net room. */
import { BusyError, CoronetError, UsageError } from '../kernel/errors.ts';

/** A cancelled `sendAll` had begun: how much of it went out is in `bytesSent`. */
export class TornError extends CoronetError {
  /** Bytes of the cut-off send that were handed to the system. */
  readonly bytesSent: number;

  constructor(who: string, bytesSent: number) {
    super(
      'ERR_TORN',
      `Nothing more can be sent to ${who}: an earlier send was cut off after ${bytesSent} ` +
        'bytes had gone out, so the stream is torn in the middle of it. Close the socket.',
    );
    this.bytesSent = bytesSent;
  }
}

/** The system was short of memory for one call. Such an error ends no direction: what comes next
 *  may well succeed. Every other error of the network is thrown again and again. */
export function isTransient(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return code === 'ENOBUFS' || code === 'ENOMEM';
}

/** A second task uses a direction of a socket that one task at a time may use. */
export function busySocket(direction: 'receive' | 'send' | 'accept', who: string): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `Another task is in the middle of a ${direction} on ${who}. One task at a time may use each ` +
      'direction.',
  );
}

/** The end came in the middle of a message. */
export class UnexpectedEofError extends CoronetError {
  /** What had come of the message; the reader has given it out. */
  readonly bytes: Buffer;

  constructor(who: string, expected: string, bytes: Buffer) {
    super(
      'ERR_UNEXPECTED_EOF',
      `Expected ${expected} from ${who}, got ${bytes.length} bytes and the end of file`,
    );
    this.bytes = bytes;
  }
}

/** A message is longer than the program allows. Its bytes stay readable. */
export class LimitError extends CoronetError {
  /** The most bytes that were allowed. */
  readonly limit: number;
  /** Bytes that the reader holds. */
  readonly buffered: number;

  constructor(who: string, what: string, limit: number, buffered: number) {
    super(
      'ERR_LIMIT',
      `Expected at most ${limit} bytes ${what} from ${who}, got more (${buffered} bytes are ` +
        'buffered and stay readable)',
    );
    this.limit = limit;
    this.buffered = buffered;
  }
}

/** The bytes of a writer have to be flushed first. Nothing was accepted or sent. */
export class FlushNeededError extends UsageError {
  /** Bytes that wait to be flushed. */
  readonly buffered: number;

  constructor(message: string, buffered: number) {
    super('ERR_FLUSH_NEEDED', message);
    this.buffered = buffered;
  }
}

/** A piece of `length` bytes does not fit below the mark. */
export function exceedsHighWaterMark(
  buffered: number,
  length: number,
  mark: number,
): FlushNeededError {
  const expected = `Expected at most ${mark - buffered} bytes (${buffered} of ${mark} wait), got`;
  const advice =
    length <= mark
      ? `Flush first.\n  wrong:  writer.write(data)\n` +
        '  right:  yield* writer.flush(); writer.write(data)'
      : 'No flush makes room for so many.\n  wrong:  writer.write(data)\n' +
        '  right:  yield* writer.flush(); yield* socket.sendAll(data)';
  return new FlushNeededError(`${expected} ${length}. ${advice}`, buffered);
}

/** A send would go out before bytes that were written before it. */
export function unflushedBytes(who: string, buffered: number): FlushNeededError {
  return new FlushNeededError(
    `This send to ${who} would overtake ${buffered} bytes that wait in its writer.\n` +
      '  wrong:  writer.write(head); yield* socket.sendAll(body)\n' +
      '  right:  writer.write(head); yield* writer.flush(); yield* socket.sendAll(body)',
    buffered,
  );
}

/** A receive would pass over bytes that a reader holds. */
export function unreadBytes(who: string, buffered: number): UsageError {
  return new UsageError(
    'ERR_BUFFERED',
    `This receive from ${who} would pass over ${buffered} bytes that its reader holds.\n` +
      '  wrong:  yield* reader.readLine(); yield* socket.recv()\n' +
      '  right:  yield* reader.readLine(); yield* reader.read()',
  );
}

/** A handler has returned and left bytes in a writer. */
export function notFlushed(who: string, buffered: number): UsageError {
  return new UsageError(
    'ERR_NOT_FLUSHED',
    `The handler has returned while ${buffered} bytes to ${who} waited to be flushed.\n` +
      '  wrong:  writer.write(answer)\n' +
      '  right:  writer.write(answer); yield* writer.flush()',
  );
}

/** The errors of the PROXY protocol. */

/** A proxy that is trusted has not said for whom it connects, as the PROXY protocol demands. */
export class ProxyHeaderError extends CoronetError {
  constructor(proxy: string, why: string) {
    super('ERR_PROXY_HEADER', `Expected a header of the PROXY protocol from ${proxy}: ${why}`);
  }
}

/** Somebody who is not among the trusted proxies has connected past them. */
export class ProxyUntrustedError extends CoronetError {
  constructor(peer: string) {
    const text = `${peer} is not in \`trusted\` of \`proxyProtocol\`, and was refused`;
    super('ERR_PROXY_UNTRUSTED', text);
  }
}

/** What `coronet explain` says about them. */
