/** Error classes of the net layer. */
import { BusyError, ClosedError, CoronetError, UsageError } from '../kernel/errors.ts';

/** A send was interrupted after its first byte, so nothing more can be sent. */
export class TornError extends CoronetError {
  /** Bytes of the interrupted send that the system has taken. */
  readonly bytesSent: number;

  constructor(peer: string, bytesSent: number) {
    super(
      'ERR_TORN',
      `Cannot send to ${peer}: an earlier send was interrupted after ${bytesSent} bytes, so the ` +
        'peer has an incomplete message. Close the socket.',
    );
    this.bytesSent = bytesSent;
  }
}

/** The system was short of memory for one call. The error ends no direction, and the next call may
 *  succeed. Every other error of the network is sticky. */
export function isTransient(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return code === 'ENOBUFS' || code === 'ENOMEM';
}

/** A second task uses a direction of a socket that another task is using. */
export function busySocket(direction: 'receive' | 'send' | 'accept', peer: string): BusyError {
  return new BusyError(
    'ERR_BUSY',
    `Another task is in the middle of a ${direction} on ${peer}. One task at a time may use each ` +
      'direction.',
  );
}

/** The stream ended in the middle of a message. */
export class UnexpectedEofError extends CoronetError {
  /** The received part of the message. The reader no longer holds it. */
  readonly bytes: Buffer;

  constructor(peer: string, expected: string, bytes: Buffer) {
    super(
      'ERR_UNEXPECTED_EOF',
      `Expected ${expected} from ${peer}, got ${bytes.length} bytes and the end of file`,
    );
    this.bytes = bytes;
  }
}

/** A message is longer than the program allows. Its bytes stay readable. */
export class LimitError extends CoronetError {
  /** The maximum number of bytes. */
  readonly limit: number;
  /** Bytes that the reader holds. */
  readonly buffered: number;

  constructor(peer: string, what: string, limit: number, buffered: number) {
    super(
      'ERR_LIMIT',
      `Expected at most ${limit} bytes ${what} from ${peer}, got more (${buffered} bytes are ` +
        'buffered and stay readable)',
    );
    this.limit = limit;
    this.buffered = buffered;
  }
}

/** The bytes of a writer must be flushed first. Nothing was accepted or sent. */
export class FlushNeededError extends UsageError {
  /** Bytes that wait to be flushed. */
  readonly buffered: number;

  constructor(message: string, buffered: number) {
    super('ERR_FLUSH_NEEDED', message);
    this.buffered = buffered;
  }
}

/** The error for a piece of `length` bytes that would exceed the high water mark. */
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
      : 'It is larger than `highWaterMark`: send it directly.\n  wrong:  writer.write(data)\n' +
        '  right:  yield* writer.flush(); yield* socket.sendAll(data)';
  return new FlushNeededError(`${expected} ${length}. ${advice}`, buffered);
}

/** The error for a send that would overtake bytes that were written before it. */
export function unflushedBytes(peer: string, buffered: number): FlushNeededError {
  return new FlushNeededError(
    `This send to ${peer} would overtake ${buffered} bytes that wait in its writer.\n` +
      '  wrong:  writer.write(head); yield* socket.sendAll(body)\n' +
      '  right:  writer.write(head); yield* writer.flush(); yield* socket.sendAll(body)',
    buffered,
  );
}

/** The error for a receive that would skip bytes that a reader holds. */
export function unreadBytes(peer: string, buffered: number): UsageError {
  return new UsageError(
    'ERR_BUFFERED',
    `This receive from ${peer} would skip ${buffered} bytes that its reader holds.\n` +
      '  wrong:  yield* reader.readLine(); yield* socket.recv()\n' +
      '  right:  yield* reader.readLine(); yield* reader.read()',
  );
}

/** The error for an upgrade to TLS while a reader holds bytes that came in clear. */
export function plainBytes(peer: string, buffered: number): UsageError {
  return new UsageError(
    'ERR_BUFFERED',
    `Expected no byte from ${peer} before the TLS handshake, got ${buffered} that its reader ` +
      'holds. They came in clear, perhaps from an attacker (CVE-2011-0411): close the connection.',
  );
}

/** The error for a second TLS handshake on a connection. */
export function alreadyTls(peer: string): UsageError {
  return new UsageError('ERR_ALREADY_TLS', `The connection with ${peer} is encrypted already`);
}

/** The error of operations on a socket that this program has closed. */
export function closedSocket(peer: string): ClosedError {
  return new ClosedError('ERR_CLOSED', `The connection with ${peer} was closed by this program`);
}

/** The error for a handler that has returned and left bytes in a writer. */
export function notFlushed(peer: string, buffered: number): UsageError {
  return new UsageError(
    'ERR_NOT_FLUSHED',
    `The handler has returned while ${buffered} bytes to ${peer} waited to be flushed.\n` +
      '  wrong:  writer.write(response)\n' +
      '  right:  writer.write(response); yield* writer.flush()',
  );
}

/** A trusted proxy has not sent a valid PROXY protocol header. */
export class ProxyHeaderError extends CoronetError {
  constructor(proxy: string, why: string) {
    super('ERR_PROXY_HEADER', `Expected a PROXY protocol header from ${proxy}: ${why}`);
  }
}

/** A connection came from an address that is not a trusted proxy. */
export class ProxyUntrustedError extends CoronetError {
  constructor(peer: string) {
    const text = `${peer} is not in \`trusted\` of \`proxyProtocol\`: the connection was reset`;
    super('ERR_PROXY_UNTRUSTED', text);
  }
}

/** The sockets whose peers have caused errors of protocols above them. */
const faults = new WeakMap<object, object>();

/** Ascribes an error of a protocol to the peer of `socket`: not to the program. */
export function faultOfPeer<E extends object>(error: E, socket: object): E {
  faults.set(error, socket);
  return error;
}

/** True if `faultOfPeer` was called with this error and this socket. */
export function isFaultOfPeer(error: unknown, socket: object): boolean {
  return typeof error === 'object' && error !== null && faults.get(error) === socket;
}
