/**
 * The cleartext side of a TLS connection: a socket of node:tls over a CipherStream. What it has in
 * common with other streams is in ../stream/stream-transport.ts.
 *
 *   raw transport ──► CipherStream ──► TLSSocket ──► receive queue ──► attempts
 *
 * Invariants:
 *  1. End of file is the close_notify of the peer and nothing else. If the raw transport ends
 *     without it, a receive throws ERR_TLS_TRUNCATED, or the error of the raw transport.
 *  2. At most one record (16 KB) of sent bytes is in our memory: no more is taken while some of it
 *     is there.
 *  3. A failure of sending does not end receiving. A failure of the TLS engine ends both.
 *  4. Options, addresses and RST are those of the raw transport.
 */
import type { TLSSocket } from 'node:tls';
import type { Endpoint, SocketOption, Transport } from '../../world/network.ts';
import type { TlsInfo, TlsPeerCertificate } from '../../world/tls.ts';
import { TruncatedError } from '../error-codes.ts';
import type { Failure } from '../stream/stream-transport.ts';
import { brokenPipe, connectionReset, FlowingTransport } from '../stream/stream-transport.ts';
import { setImmediate } from '../timers.ts';
import type { CipherOwner, CipherStream } from './cipher-stream.ts';
import type { TlsLayer } from './layer.ts';
import { ClosingCipherStream } from './lingering-close.ts';

/** The longest record of TLS (RFC 8446, section 5.1). */
const MAX_RECORD = 16_384;

/** A record costs as much as a few hundred bytes: a send takes all bytes, or at least this many. */
const MIN_PIECE = 4096;

export class TlsTransport extends FlowingTransport<TLSSocket> implements CipherOwner {
  readonly #raw: Transport;
  readonly #cipher: CipherStream;
  readonly #layer: TlsLayer;
  #info: ConnectionInfo | undefined = undefined;
  /** The latest session ticket, which may arrive before the handshake is known to be complete. */
  #session: Buffer | undefined = undefined;
  /** The raw transport has no more input; `cause` is `undefined` if that was an end of file. */
  #rawEnd: { readonly cause: unknown } | null = null;
  /** Why the raw transport accepts no more output. */
  #rawSendFailure: Failure | null = null;
  /** Bytes that were written to the engine while it was idle and that it has not acknowledged. */
  #inEngine = 0;
  readonly #onSent = (): void => this.#sent();

  constructor(socket: TLSSocket, cipher: CipherStream, raw: Transport, layer: TlsLayer) {
    super(socket);
    this.#cipher = cipher;
    this.#raw = raw;
    this.#layer = layer;
    cipher.owner = this;
    layer.transports.add(this);
    socket.on('error', (error) => this.failed(() => error));
    socket.on('close', () => this.failed(() => this.#disconnectReason()));
    socket.on('session', (session) => this.#keepSession(session));
  }

  /** The handshake is complete. */
  opened(): void {
    if (this.closed || this.recvFailure !== null) return;
    const { socket } = this;
    this.connected = true;
    this.#info = new ConnectionInfo(socket);
    this.#info.session = this.#session;
    this.sendFailure ??= this.#rawSendFailure;
    socket.on('data', (chunk) => this.onData(chunk));
    socket.on('end', () => this.inputEnded());
    this.becameWritable();
    if (this.#rawEnd !== null) this.#scheduleSettleEnd();
  }

  // ---- sending ----

  protected writableBytes(wanted: number): number {
    const space = this.connected ? MAX_RECORD - this.#unsentBytes() : 0;
    return space >= Math.min(wanted, MIN_PIECE) ? space : 0;
  }

  /**
   * node:tls reports a write as finished one round of the event loop after the raw transport has
   * taken it: bytes that the CipherStream no longer holds do not count.
   */
  #unsentBytes(): number {
    const passed = this.#cipher.unsent === 0 ? this.#inEngine : 0;
    return this.socket.writableLength - passed;
  }

  /** If nothing is queued in the engine, it encrypts within the call: no copy is needed. */
  protected write(piece: Uint8Array, owned: boolean): void {
    const { socket } = this;
    const direct = socket.writableLength === 0;
    if (direct) this.#inEngine = piece.length;
    socket.write(direct || owned ? piece : Buffer.from(piece), this.#onSent);
  }

  /** The engine writes all queued bytes together, before it calls back for any of them. */
  #sent(): void {
    this.#inEngine = this.socket.writableLength;
    if (!this.canSend) this.becameWritable();
  }

  // ---- the end ----

  /** Sends close_notify after the bytes sent so far, then closes the raw transport. */
  protected finish(): void {
    this.#layer.transports.delete(this);
    const { socket } = this;
    const cipher = this.#cipher;
    const silent = !this.connected || this.#peerIsGone() || socket.destroyed;
    if (silent || cipher.writableFinished) return this.#release();
    socket.pause();
    const before = cipher.writes;
    socket.end();
    // If the engine is idle, close_notify is sent within the call.
    if (cipher.writes > before && cipher.unsent === 0) return this.#release();
    cipher.owner = new ClosingCipherStream(this.#raw, cipher, this.#layer.lingering);
  }

  protected abort(): void {
    this.#layer.transports.delete(this);
    this.#raw.reset();
    this.socket.destroy();
  }

  /** No byte reaches the peer any more. */
  #peerIsGone(): boolean {
    if (this.#rawSendFailure !== null) return true;
    const cause = this.#rawEnd?.cause as { readonly code?: unknown } | undefined;
    return cause?.code === 'ECONNRESET';
  }

  #release(): void {
    this.#raw.close();
    this.socket.destroy();
  }

  /** Cleartext that a paused socket holds comes before the end. */
  protected override resumeInput(): void {
    super.resumeInput();
    if (this.#rawEnd !== null) this.#scheduleSettleEnd();
  }

  rawEnded(cause: unknown): void {
    this.#rawEnd = { cause };
    this.#scheduleSettleEnd();
  }

  /** During the handshake, the last bytes of the peer may explain why it has disconnected. */
  rawSendFailed(error: unknown): void {
    this.#rawSendFailure = () => error;
    if (this.connected) this.failed(null, this.#rawSendFailure);
  }

  flushed(): void {}

  /** node:tls emits in later ticks what it makes of the last bytes. */
  #scheduleSettleEnd(): void {
    setImmediate(() => this.#settleEnd());
  }

  #settleEnd(): void {
    if (this.closed || this.recvEnded || this.recvFailure !== null) return;
    if (!this.connected) return this.failed(() => this.#disconnectReason());
    if (this.paused) return; // `resumeInput` schedules another check
    if (this.socket.readableLength > 0) return this.#scheduleSettleEnd();
    const cause = this.#rawEnd?.cause;
    if (cause === undefined) this.failed(() => new TruncatedError(this.describe()), null);
    else this.failed(() => cause, brokenPipe);
  }

  /** Why the connection has ended, if the engine has not reported an error. */
  #disconnectReason(): unknown {
    return (
      this.#rawEnd?.cause ?? connectionReset(this.connected ? 'read' : 'TLS handshake', this.remote)
    );
  }

  // ---- facts and options ----

  get tls(): TlsInfo | undefined {
    return this.#info;
  }

  #keepSession(session: Buffer): void {
    this.#session = session;
    if (this.#info !== undefined) this.#info.session = session;
  }

  get local(): Endpoint {
    return this.#raw.local;
  }

  get remote(): Endpoint {
    return this.#raw.remote;
  }

  override getOption(option: SocketOption): number | undefined {
    return this.#raw.getOption(option);
  }

  override setOption(option: SocketOption, value: number): void {
    this.#raw.setOption(option, value);
  }

  override describe(): string {
    return this.#raw.describe();
  }
}

/**
 * The properties of an established connection. They are copied when the handshake completes,
 * because they remain readable after close.
 */
class ConnectionInfo implements TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string | undefined;
  readonly servername: string | undefined;
  readonly authorized: boolean;
  readonly authorizationError: string | undefined;
  readonly sessionReused: boolean;
  /** Updated by the transport: a server may send tickets at any time. */
  session: Buffer | undefined = undefined;
  readonly #socket: TLSSocket;
  #certificate: TlsPeerCertificate | null | undefined = undefined;

  constructor(socket: TLSSocket) {
    const { standardName, name } = socket.getCipher();
    this.#socket = socket;
    this.protocol = socket.getProtocol() ?? '';
    this.cipher = standardName ?? name;
    this.alpn = socket.alpnProtocol || undefined;
    this.servername = servernameOf(socket);
    const isEvasion = socket.authorized && !hasCertificate(socket);
    this.authorized = socket.authorized && !isEvasion;
    this.authorizationError = isEvasion ? NO_CERTIFICATE : codeOf(socket.authorizationError);
    this.sessionReused = socket.isSessionReused();
  }

  /** Parsed on first use, because that costs more than all other properties together. */
  get peerCertificate(): TlsPeerCertificate | undefined {
    if (this.#certificate === undefined && !this.#socket.destroyed) {
      const found = this.#socket.getPeerCertificate() as Partial<TlsPeerCertificate> | null;
      this.#certificate = found?.raw === undefined ? null : (found as TlsPeerCertificate);
    }
    return this.#certificate ?? undefined;
  }
}

/** The code of a peer that has sent no certificate. */
export const NO_CERTIFICATE = 'UNABLE_TO_GET_ISSUER_CERT';

/**
 * False: the peer has resumed a session that was made without its certificate. With TLS 1.3,
 * node:tls takes such a session for a valid certificate. A client could evade a request for its
 * certificate with a session of a listener that has the same ticket keys and makes no request.
 */
export function hasCertificate(socket: TLSSocket): boolean {
  return !socket.isSessionReused() || socket.getPeerX509Certificate() !== undefined;
}

/** On a server, the name that the client requested; `false` and null stand for none. */
function servernameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as { servername?: unknown };
  return typeof servername === 'string' && servername !== '' ? servername : undefined;
}

/** `reason` is a code on clients, and an error with a code on servers. */
function codeOf(reason: unknown): string | undefined {
  if (reason === null || reason === undefined) return undefined;
  return String((reason as { code?: unknown }).code ?? reason);
}
