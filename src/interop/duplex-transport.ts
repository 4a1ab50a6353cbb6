/**
 * A transport over a Duplex of Node: a TLS or WebSocket stream, a pipe, one end of a `duplexPair`.
 *
 * The stream stays paused and is read piece by piece, so it reads ahead by its own high-water mark
 * and no more. It is written to until its high-water mark is reached, then 'drain' is waited for.
 * One listener for errors stays attached until the stream is gone: no error of it may become
 * uncaught.
 */
import type { Duplex } from 'node:stream';
import type { Endpoint, SocketOption } from '../world/network.ts';
import { brokenPipe, cutOff, ForeignTransport } from './foreign-transport.ts';

/** A stream with a tiny high-water mark is still given pieces of this size. */
const LEAST_ROOM = 16_384;
/** How long a closed stream may take to deliver its last bytes. */
const LINGER_MS = 5000;

/** What a Duplex has beside that if it is a socket. */
interface MaybeSocket {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  setNoDelay?(on: boolean): unknown;
  setKeepAlive?(enable: boolean, delay: number): unknown;
  resetAndDestroy?(): unknown;
}

export class DuplexTransport extends ForeignTransport {
  readonly #stream: Duplex & MaybeSocket;
  /** What a try did not take of the last read. */
  #rest: Buffer | null = null;
  readonly #options = new Map<SocketOption, number>();
  /** The receiving half was shut down. */
  #dropping = false;
  readonly #onReadable = (): void => (this.#dropping ? this.#drop() : this.grantRecv());
  readonly #onEnd = (): void => this.ended();
  readonly #onDrain = (): void => this.grantSend();
  readonly #onError = (error: unknown): void => this.failed(error);
  readonly #onClose = (): void => this.#gone();

  constructor(stream: Duplex & MaybeSocket) {
    super(
      endpointOf(stream.localAddress, stream.localPort),
      endpointOf(stream.remoteAddress, stream.remotePort),
    );
    this.#stream = stream;
    stream.on('error', this.#onError);
    stream.on('close', this.#onClose);
    stream.on('end', this.#onEnd);
    stream.on('drain', this.#onDrain);
    stream.on('readable', this.#onReadable);
    if (stream.readableEnded) this.ended();
    if (stream.errored) this.failed(stream.errored);
    else if (stream.destroyed) this.#gone();
  }

  override describe(): string {
    const name = this.#stream.constructor.name;
    const { remoteAddress, remotePort } = this.#stream;
    return remoteAddress === undefined ? `stream ${name}` : `${remoteAddress}:${remotePort}`;
  }

  protected override readOption(option: SocketOption): number | undefined {
    return this.#options.get(option);
  }

  /** What sockets of Node, plain or TLS, offer on every version. They cannot tell what is set. */
  protected override changeOption(option: SocketOption, value: number): boolean {
    const stream = this.#stream;
    const isTime = option === 'keepAliveIdleMs';
    if (option !== 'noDelay' && option !== 'keepAlive' && !isTime) return false;
    if (option === 'noDelay' ? !stream.setNoDelay : !stream.setKeepAlive) return false;
    this.#options.set(option, isTime ? Math.ceil(value / 1000) * 1000 : value);
    if (option === 'noDelay') stream.setNoDelay?.(value === 1);
    else stream.setKeepAlive?.(this.#options.get('keepAlive') === 1, this.#idleMs());
    return true;
  }

  /** 0 leaves what the system has. */
  #idleMs(): number {
    return this.#options.get('keepAliveIdleMs') ?? 0;
  }

  /** Only a read that finds nothing makes the stream fetch more, tell of it, or notice its end. */
  protected take(max: number): Buffer | undefined {
    const chunk = this.#rest ?? (this.#stream.read() as Buffer | null);
    if (chunk === null) return undefined;
    this.#rest = chunk.length > max ? chunk.subarray(max) : null;
    return chunk.subarray(0, max);
  }

  protected room(): number {
    const stream = this.#stream;
    if (stream.writableEnded || !stream.writable) throw brokenPipe();
    if (stream.writableNeedDrain) return 0;
    return Math.max(LEAST_ROOM, stream.writableHighWaterMark - stream.writableLength);
  }

  protected write(piece: Buffer): void {
    this.#stream.write(piece);
  }

  protected dropInput(): void {
    this.#dropping = true;
    this.#rest = null;
    this.#drop();
  }

  protected endOutput(): void {
    this.#stream.end();
  }

  protected finish(): void {
    const stream = this.#stream;
    this.#stopListening();
    if (stream.destroyed) return;
    if (stream.writableFinished || !stream.writable) return void stream.destroy();
    const limit = setTimeout(() => stream.destroy(), LINGER_MS).unref();
    stream.once('close', () => clearTimeout(limit));
    stream.once('finish', () => stream.destroy());
    stream.end();
  }

  protected abort(): void {
    const stream = this.#stream;
    this.#stopListening();
    if (stream.remoteAddress !== undefined && stream.resetAndDestroy) stream.resetAndDestroy();
    else stream.destroy();
  }

  /**
   * In its own time: a source that never ends must not keep the loop, as `resume()` would let it.
   */
  #drop(): void {
    setImmediate(() => {
      if (this.#stream.read() !== null) this.#drop();
    });
  }

  #gone(): void {
    this.#stream.off('error', this.#onError);
    this.#stream.off('close', this.#onClose);
    this.failed(cutOff(), brokenPipe());
  }

  #stopListening(): void {
    this.#stream.off('end', this.#onEnd);
    this.#stream.off('drain', this.#onDrain);
    this.#stream.off('readable', this.#onReadable);
  }
}

function endpointOf(host: string | undefined, port: number | undefined): Endpoint {
  if (host === undefined || port === undefined) return { path: '' };
  return { host, port, family: host.includes(':') ? 6 : 4 };
}
