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
import { checkDuration, outOfRange } from '../kernel/checks.ts';
import { TimeoutError } from '../kernel/errors.ts';
import type { ReadinessWaiter } from '../kernel/readiness.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TimerTarget } from '../kernel/timers.ts';
import { Timer } from '../kernel/timers.ts';
import type { Gate, Passage, ProxyProtocolOptions } from '../world/gate.ts';
import type { Endpoint, Transport } from '../world/network.ts';
import { SocketAddress } from './address.ts';
import type { Keys } from './keys.ts';
import { checkKeys } from './keys.ts';
import { ProxyHeaderError, ProxyUntrustedError } from './proxy-errors.ts';
import type { ProxyHeader, ProxyParse } from './proxy-protocol.ts';
import { parseProxyHeader } from './proxy-protocol.ts';
import { Ranges } from './ranges.ts';
import type { Socket } from './socket.ts';

/** A header with all fields that proxies are known to send is a tenth of it. */
const MOST_BYTES = 4096;
const DEFAULT_TIMEOUT_MS = 5000;

/** Headers come with the connection: so many are late only where a proxy hangs. */
const MOST_UNDER_WAY = 256;

const KEYS: Keys<ProxyProtocolOptions> = { trusted: true, timeoutMs: true, others: true };

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
  const { timeoutMs, others, trusted } = options;
  if (timeoutMs !== undefined) checkDuration('proxyProtocol.timeoutMs', timeoutMs);
  if (others !== undefined && others !== 'refuse' && others !== 'serve') {
    throw outOfRange('proxyProtocol.others', "'refuse' or 'serve'", others);
  }
  new Ranges('proxyProtocol.trusted', trusted);
}

export class ProxyGate implements Gate {
  readonly most: number = MOST_UNDER_WAY;
  readonly #trusted: Ranges;
  readonly #timeoutMs: number;
  readonly #servesOthers: boolean;
  readonly #scheduler: Scheduler;

  constructor(options: ProxyProtocolOptions, scheduler: Scheduler) {
    this.#trusted = new Ranges('proxyProtocol.trusted', options.trusted);
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#servesOthers = options.others === 'serve';
    this.#scheduler = scheduler;
  }

  begin(passage: Passage): () => void {
    const { raw } = passage;
    const peer = new SocketAddress(raw.remote);
    if (this.#trusted.has(peer)) {
      const reading = new HeaderReading(passage, peer, this.#scheduler, this.#timeoutMs);
      reading.begin();
      return () => reading.giveUp();
    }
    if (this.#servesOthers) {
      passage.passed(raw);
    } else {
      raw.reset();
      passage.failed(new ProxyUntrustedError(`${peer}`));
    }
    return NOTHING_BEGAN;
  }
}

const NOTHING_BEGAN = (): void => {};

/** Reads the header of one connection. Never receives more than belongs to it. */
class HeaderReading implements ReadinessWaiter, TimerTarget {
  readonly #raw: Transport;
  readonly #passage: Passage;
  readonly #proxy: SocketAddress;
  readonly #scheduler: Scheduler;
  readonly #timeoutMs: number;
  readonly #timer = new Timer(this);
  #bytes: Buffer = Buffer.alloc(0);

  constructor(passage: Passage, proxy: SocketAddress, scheduler: Scheduler, timeoutMs: number) {
    this.#raw = passage.raw;
    this.#passage = passage;
    this.#proxy = proxy;
    this.#scheduler = scheduler;
    this.#timeoutMs = timeoutMs;
  }

  begin(): void {
    this.#scheduler.arm(this.#timer, this.#scheduler.now() + this.#timeoutMs);
    this.#read();
  }

  grant(): void {
    this.#read();
  }

  /** The connection was closed under us: the network's end. */
  refuse(error: unknown): void {
    this.#fail(error as Error);
  }

  expire(): void {
    const what = `the header of the PROXY protocol from ${this.#proxy}`;
    this.#fail(new TimeoutError(this.#timeoutMs, what));
  }

  giveUp(): void {
    this.#end();
    this.#raw.reset();
  }

  #read(): void {
    try {
      for (;;) {
        const parse = parseProxyHeader(this.#bytes, MOST_BYTES);
        if (parse.kind !== 'more') return this.#decide(parse);
        const more = this.#raw.tryRecv(parse.atLeast - this.#bytes.length);
        if (more === undefined) return this.#waitForMore();
        if (more.length === 0) return this.#ended();
        this.#bytes = Buffer.concat([this.#bytes, more]);
      }
    } catch (error) {
      if (this.#bytes.length === 0) this.#leave();
      else this.#fail(error as Error);
    }
  }

  #waitForMore(): void {
    this.#raw.recvWaiter = this;
  }

  #decide(parse: Exclude<ProxyParse, { readonly kind: 'more' }>): void {
    if (parse.kind === 'absent') return this.#reject('there is none');
    if (parse.kind === 'wrong') return this.#reject(parse.why);
    this.#end();
    const raw = this.#raw;
    raw.remote = endpointOf(parse.header.source ?? this.#proxy);
    headers.set(raw.remote, { ...parse.header, proxy: this.#proxy });
    this.#passage.passed(raw);
  }

  #ended(): void {
    if (this.#bytes.length === 0) this.#leave();
    else this.#reject('the connection ended in the middle of it');
  }

  /** Some only ask whether the port is open. */
  #leave(): void {
    this.#end();
    this.#raw.close();
    this.#passage.gone();
  }

  #reject(why: string): void {
    this.#fail(new ProxyHeaderError(`${this.#proxy}`, why));
  }

  #fail(error: Error & { readonly code?: string }): void {
    this.#end();
    this.#raw.reset();
    this.#passage.failed(error);
  }

  #end(): void {
    this.#scheduler.disarm(this.#timer);
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
  }
}

function endpointOf({ host, port, family, path }: SocketAddress): Endpoint {
  if (path !== undefined) return { path };
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}
