/**
 * A TLS connection on the epoll network, native engine. The addon encrypts and decrypts within
 * `recv` and `send`, so data, readiness and errors are those of EpollTransport. This class adds the
 * handshake and the end.
 *
 *   raw transport ──detach──► handshake ('connecting') ──► open ──► …, as in ../transport.ts
 *
 * Invariants:
 *  1. During the handshake every event of the receiving direction wakes the waiter of 'send', which
 *     calls `tryConnect`. The addon sends what the socket has not taken, and reports "readable" if
 *     the handshake has waited for that.
 *  2. End of file is the close_notify of the peer. Every other end is ERR_TLS_TRUNCATED, or the
 *     error of the socket.
 *  3. A failure of the engine ends both directions.
 */
import type { TlsInfo } from '../../../world/tls.ts';
import { TruncatedError } from '../../error-codes.ts';
import { connectionReset } from '../../stream/stream-transport.ts';
import { systemError } from '../../system-error.ts';
import type { ClosingStream } from '../../tls/lingering-close.ts';
import { LingeringClose } from '../../tls/lingering-close.ts';
import type { Registered, Registry } from '../registry.ts';
import { EAGAIN, RECV_EVENTS } from '../registry.ts';
import { EpollTransport } from '../transport.ts';
import type { NativeContext } from './context.ts';
import { NativeTlsInfo } from './info.ts';

/** The differences between clients and listeners. */
export interface TlsRole {
  readonly context: NativeContext;
  /** The name that a client requests; '': none. Listeners: ''. */
  readonly servername: string;
  /** The session that a client resumes. */
  readonly session?: Uint8Array | undefined;
  readonly isClient: boolean;
  /** The identity for the name that a client requests; `undefined`: that of `context`. */
  choose?(servername: string): NativeContext | undefined;
  /** The handshake is complete: sets `info.authorized`, or throws why the peer is rejected. */
  checkPeer(info: NativeTlsInfo): void;
}

export class EpollTlsTransport extends EpollTransport {
  readonly #role: TlsRole;
  #info: NativeTlsInfo | undefined = undefined;

  /** Takes the connection of `raw` over. */
  constructor(raw: EpollTransport, role: TlsRole) {
    const { handle, local, remote } = raw;
    const { registry, unread, canRecv, readUntilEagain } = raw.detach();
    super({ registry, handle, local, to: remote, accepted: !role.isClient });
    this.#role = role;
    this.canRecv = canRecv;
    this.readUntilEagain = readUntilEagain;
    const { addonContext } = role.context;
    const { addon } = registry;
    const result = addon.tlsStart(handle, addonContext, role.servername, role.session, unread);
    if (result === 0) return;
    this.reset();
    throw systemError(result, 'TLS handshake', remote);
  }

  get tls(): TlsInfo | undefined {
    return this.#info;
  }

  override onEvents(bits: number): void {
    if (this.#info !== undefined) return super.onEvents(bits);
    super.onEvents(bits & RECV_EVENTS);
    if ((bits & RECV_EVENTS) !== 0) this.notifySend();
  }

  protected override attemptConnect(): boolean {
    const { addon } = this.registry;
    const { TLS_CHOOSE } = addon.constants;
    let result = addon.tlsHandshake(this.handle);
    if (result === TLS_CHOOSE) {
      this.#choose();
      result = addon.tlsHandshake(this.handle);
    }
    if (result === EAGAIN) return false;
    if (result < 0) throw this.failConnect(this.#handshakeError(result));
    this.#complete();
    return true;
  }

  #choose(): void {
    const { addon } = this.registry;
    const name = addon.tlsText(this.handle, addon.constants.TEXT_SERVERNAME);
    addon.tlsChoose(this.handle, 1, this.#role.choose?.(name)?.addonContext);
  }

  #complete(): void {
    const info = new NativeTlsInfo(this.registry.addon, this.handle, this.#role.isClient);
    try {
      this.#role.checkPeer(info);
    } catch (error) {
      throw this.failConnect(error);
    }
    this.#info = info;
    this.canRecv = true; // The last flight of the handshake may contain bytes after it.
  }

  #handshakeError(result: number): unknown {
    const { TLS_FAILED, TLS_TRUNCATED } = this.registry.addon.constants;
    if (result === TLS_FAILED) return this.#engineError();
    if (result === TLS_TRUNCATED) return connectionReset('TLS handshake', this.remote);
    return systemError(result, 'TLS handshake', this.remote);
  }

  protected override errorOf(errno: number, syscall: 'read' | 'write'): Error {
    const { TLS_FAILED, TLS_TRUNCATED } = this.registry.addon.constants;
    if (errno === TLS_FAILED) return this.#engineError();
    if (errno === TLS_TRUNCATED) return new TruncatedError(this.describe());
    return super.errorOf(errno, syscall);
  }

  /** The addon knows which end comes first: a close_notify may precede the reset. */
  protected override pendingErrorOf(): number {
    return 0;
  }

  /** An error in the form of node:tls: the code is made of OpenSSL's reason. */
  #engineError(): Error {
    const { addon } = this.registry;
    const text = addon.tlsText(this.handle, addon.constants.TEXT_ERROR);
    const [reason = '', message = ''] = text.split('\n');
    const code = `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
    return Object.assign(new Error(message), { code, library: 'SSL routines', reason });
  }

  protected override shutdownSend(): void {
    if (this.#info === undefined) super.shutdownSend();
    else this.registry.addon.tlsFinish(this.handle);
  }

  /** close_notify follows the sent bytes. A peer that was rejected gets none. */
  protected override release(reset: boolean): void {
    const { addon } = this.registry;
    const isOpen = this.#info !== undefined;
    this.#info?.keepSession();
    if (reset) return void addon.close(this.handle, 1);
    const unsent = addon.tlsClose(this.handle, isOpen ? 1 : 0);
    if (unsent > 0) new ClosingSocket(this.registry, this.handle, this.openLine());
  }
}

/** A closed TLS connection whose last bytes are not sent yet. */
class ClosingSocket implements Registered, ClosingStream {
  readonly kind = 'transport';
  readonly handle: number;
  readonly #registry: Registry;
  readonly #closing: LingeringClose;
  readonly #line: string;
  #unsent = Number.POSITIVE_INFINITY;

  constructor(registry: Registry, handle: number, line: string) {
    this.handle = handle;
    this.#registry = registry;
    this.#line = line;
    registry.add(this);
    this.#closing = new LingeringClose(this, registry.lingering);
  }

  get raw(): object {
    return this;
  }

  get unsent(): number {
    return this.#unsent;
  }

  onEvents(): void {
    this.flushNow();
    if (this.#unsent === 0) this.#closing.end();
  }

  flushNow(): void {
    this.#unsent = Math.max(0, this.#registry.addon.tlsClose(this.handle, 0));
  }

  release(): void {
    this.#registry.remove(this);
    this.#registry.addon.close(this.handle, 0);
  }

  openLine(): string {
    return this.#line;
  }

  close(): void {
    this.#closing.finish();
  }
}
