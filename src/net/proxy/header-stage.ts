/**
 * The handshake stage that reads PROXY protocol headers.
 *
 *   accepted ──► trusted? ──no──► reset, or completed as it is
 *                   └──yes──► header within timeoutMs? ──no──► reset
 *                                       └──yes──► completed, with the client as its `remote`
 *
 * The stage receives the header and not a byte more, so TLS or the handler starts with the first
 * byte of the client. The address of the peer determines whether a header is expected. The
 * specification forbids guessing it from the bytes (section 5).
 */

import { TimeoutError } from '../../kernel/errors.ts';
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import type { Scheduler } from '../../kernel/scheduler.ts';
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import type { Keys } from '../../support/checks.ts';
import { checkDuration, checkKeys, outOfRange } from '../../support/checks.ts';
import type {
  HandshakeStage,
  PendingHandshake,
  ProxyProtocolOptions,
} from '../../world/handshake.ts';
import type { Endpoint, Transport } from '../../world/network.ts';
import { SocketAddress } from '../address.ts';
import { ProxyHeaderError, ProxyUntrustedError } from '../errors.ts';
import type { Socket } from '../tcp/socket.ts';
import { AddressRanges } from './address-ranges.ts';
import type { ProxyHeader, ProxyParse } from './header.ts';
import { parseProxyHeader } from './header.ts';

/** Ten times the length of a header with all fields that known proxies send. */
const MAX_HEADER_BYTES = 4096;
const DEFAULT_TIMEOUT_MS = 5000;

/** A header arrives with its connection, so this many are pending only if a proxy hangs. */
const MAX_PENDING = 256;

const KEYS: Keys<ProxyProtocolOptions> = { trusted: true, timeoutMs: true, untrusted: true };

/** Headers by the `remote` endpoint of their connection. */
const headers = new WeakMap<Endpoint, ProxyHeader>();

/**
 * The PROXY header of a connection: the addresses of client and destination, the address of the
 * proxy, and the additional fields of version 2 (TLS, server name, …). `undefined` if no header was
 * expected.
 *
 * @example
 * const client = proxyHeader(socket)?.source ?? socket.remoteAddress;
 */
export function proxyHeader(socket: Socket): ProxyHeader | undefined {
  return headers.get(socket.transport.remote);
}

/** Throws for invalid options. */
export function checkProxyProtocol(options: ProxyProtocolOptions): void {
  checkKeys('proxyProtocol', options, KEYS);
  const { timeoutMs, untrusted, trusted } = options;
  if (timeoutMs !== undefined) checkDuration('proxyProtocol.timeoutMs', timeoutMs);
  if (untrusted !== undefined && untrusted !== 'reset' && untrusted !== 'accept') {
    throw outOfRange('proxyProtocol.untrusted', "'reset' or 'accept'", untrusted);
  }
  new AddressRanges('proxyProtocol.trusted', trusted);
}

export class ProxyHeaderStage implements HandshakeStage {
  readonly maxPending: number = MAX_PENDING;
  readonly #trusted: AddressRanges;
  readonly #timeoutMs: number;
  readonly #acceptsUntrusted: boolean;
  readonly #scheduler: Scheduler;

  constructor(options: ProxyProtocolOptions, scheduler: Scheduler) {
    this.#trusted = new AddressRanges('proxyProtocol.trusted', options.trusted);
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#acceptsUntrusted = options.untrusted === 'accept';
    this.#scheduler = scheduler;
  }

  start(handshake: PendingHandshake): () => void {
    const { raw } = handshake;
    const peer = new SocketAddress(raw.remote);
    if (this.#trusted.has(peer)) {
      const reader = new HeaderReader(handshake, peer, this.#scheduler, this.#timeoutMs);
      reader.start();
      return () => reader.abort();
    }
    if (this.#acceptsUntrusted) {
      handshake.complete(raw);
    } else {
      raw.reset();
      handshake.fail(new ProxyUntrustedError(`${peer}`));
    }
    return NOTHING_TO_ABORT;
  }
}

const NOTHING_TO_ABORT = (): void => {};

/** Reads the header of one connection. */
class HeaderReader implements ReadinessWaiter, TimerTarget {
  readonly #raw: Transport;
  readonly #handshake: PendingHandshake;
  readonly #proxy: SocketAddress;
  readonly #scheduler: Scheduler;
  readonly #timeoutMs: number;
  readonly #timer = new Timer(this);
  #bytes: Buffer = Buffer.alloc(0);

  constructor(
    handshake: PendingHandshake,
    proxy: SocketAddress,
    scheduler: Scheduler,
    timeoutMs: number,
  ) {
    this.#raw = handshake.raw;
    this.#handshake = handshake;
    this.#proxy = proxy;
    this.#scheduler = scheduler;
    this.#timeoutMs = timeoutMs;
  }

  start(): void {
    this.#scheduler.arm(this.#timer, this.#scheduler.now() + this.#timeoutMs);
    this.notify();
  }

  /** The network was closed, and with it the connection. */
  reject(error: unknown): void {
    this.#fail(error as Error);
  }

  expire(): void {
    const what = `the PROXY protocol header from ${this.#proxy}`;
    this.#fail(new TimeoutError(this.#timeoutMs, what));
  }

  abort(): void {
    this.#stop();
    this.#raw.reset();
  }

  /** The connection is readable. */
  notify(): void {
    try {
      for (;;) {
        const parse = parseProxyHeader(this.#bytes, MAX_HEADER_BYTES);
        if (parse.kind !== 'more') return this.#onParsed(parse);
        const more = this.#raw.tryRecv(parse.atLeast - this.#bytes.length);
        if (more === undefined) break;
        if (more.length === 0) return this.#onEndOfFile();
        this.#bytes = Buffer.concat([this.#bytes, more]);
      }
      this.#raw.recvWaiter = this;
    } catch (error) {
      if (this.#bytes.length === 0) this.#disconnected();
      else this.#fail(error as Error);
    }
  }

  #onParsed(parse: Exclude<ProxyParse, { readonly kind: 'more' }>): void {
    if (parse.kind === 'absent') return this.#failHeader('there is none');
    if (parse.kind === 'invalid') return this.#failHeader(parse.why);
    this.#stop();
    const raw = this.#raw;
    raw.remote = endpointOf(parse.header.source ?? this.#proxy);
    headers.set(raw.remote, { ...parse.header, proxy: this.#proxy });
    this.#handshake.complete(raw);
  }

  #onEndOfFile(): void {
    if (this.#bytes.length === 0) this.#disconnected();
    else this.#failHeader('the connection ended in the middle of it');
  }

  /** Some peers only check that the port is open. */
  #disconnected(): void {
    this.#stop();
    this.#raw.close();
    this.#handshake.disconnected();
  }

  #failHeader(why: string): void {
    this.#fail(new ProxyHeaderError(`${this.#proxy}`, why));
  }

  #fail(error: Error & { readonly code?: string }): void {
    this.#stop();
    this.#raw.reset();
    this.#handshake.fail(error);
  }

  #stop(): void {
    this.#scheduler.disarm(this.#timer);
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
  }
}

function endpointOf({ host, port, family, path }: SocketAddress): Endpoint {
  if (path !== undefined) return { path };
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}
