/**
 * The gate behind which a proxy that speaks the PROXY protocol has said for whom it connects.
 *
 *   accepted ──► trusted? ──no──► reset, or through as it is
 *                   └──yes──► header within timeoutMs? ──no──► reset
 *                                       └──yes──► through, in the name of the real peer
 *
 * The header is taken from the connection byte for byte: nothing behind it is touched, so TLS or a
 * handler begins with the first byte of the peer. Whether there is a header is never guessed (the
 * specification forbids it, section 5): who it is decides.
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

/** A header with all fields that proxies are known to send is a tenth of it. */
const MAX_HEADER_BYTES = 4096;
const DEFAULT_TIMEOUT_MS = 5000;

/** Headers come with the connection: so many are late only where a proxy hangs. */
const MAX_PENDING = 256;

const KEYS: Keys<ProxyProtocolOptions> = { trusted: true, timeoutMs: true, untrusted: true };

/** By the endpoint that a connection's `remote` is. */
const headers = new WeakMap<Endpoint, ProxyHeader>();

/**
 * What the proxy said of this connection: both addresses, its own, and the further fields of
 * version 2 (TLS, server name, …). `undefined` where nobody was asked.
 */
export function proxyHeader(socket: Socket): ProxyHeader | undefined {
  return headers.get(socket.transport.remote);
}

/** Throws for options that can be seen to be wrong. */
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

  start(passage: PendingHandshake): () => void {
    const { raw } = passage;
    const peer = new SocketAddress(raw.remote);
    if (this.#trusted.has(peer)) {
      const reading = new HeaderReader(passage, peer, this.#scheduler, this.#timeoutMs);
      reading.start();
      return () => reading.abort();
    }
    if (this.#acceptsUntrusted) {
      passage.complete(raw);
    } else {
      raw.reset();
      passage.fail(new ProxyUntrustedError(`${peer}`));
    }
    return NOTHING_TO_ABORT;
  }
}

const NOTHING_TO_ABORT = (): void => {};

/** Reads the header of one connection. Never receives more than belongs to it. */
class HeaderReader implements ReadinessWaiter, TimerTarget {
  readonly #raw: Transport;
  readonly #handshake: PendingHandshake;
  readonly #proxy: SocketAddress;
  readonly #scheduler: Scheduler;
  readonly #timeoutMs: number;
  readonly #timer = new Timer(this);
  #bytes: Buffer = Buffer.alloc(0);

  constructor(
    passage: PendingHandshake,
    proxy: SocketAddress,
    scheduler: Scheduler,
    timeoutMs: number,
  ) {
    this.#raw = passage.raw;
    this.#handshake = passage;
    this.#proxy = proxy;
    this.#scheduler = scheduler;
    this.#timeoutMs = timeoutMs;
  }

  start(): void {
    this.#scheduler.arm(this.#timer, this.#scheduler.now() + this.#timeoutMs);
    this.#read();
  }

  notify(): void {
    this.#read();
  }

  /** The connection was closed under us: the network's end. */
  reject(error: unknown): void {
    this.#fail(error as Error);
  }

  expire(): void {
    const what = `the header of the PROXY protocol from ${this.#proxy}`;
    this.#fail(new TimeoutError(this.#timeoutMs, what));
  }

  abort(): void {
    this.#stop();
    this.#raw.reset();
  }

  #read(): void {
    try {
      for (;;) {
        const parse = parseProxyHeader(this.#bytes, MAX_HEADER_BYTES);
        if (parse.kind !== 'more') return this.#onParsed(parse);
        const more = this.#raw.tryRecv(parse.atLeast - this.#bytes.length);
        if (more === undefined) return this.#waitForMore();
        if (more.length === 0) return this.#onEndOfFile();
        this.#bytes = Buffer.concat([this.#bytes, more]);
      }
    } catch (error) {
      if (this.#bytes.length === 0) this.#disconnected();
      else this.#fail(error as Error);
    }
  }

  #waitForMore(): void {
    this.#raw.recvWaiter = this;
  }

  #onParsed(parse: Exclude<ProxyParse, { readonly kind: 'more' }>): void {
    if (parse.kind === 'absent') return this.#failHeader('there is none');
    if (parse.kind === 'wrong') return this.#failHeader(parse.why);
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

  /** Some only ask whether the port is open. */
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
