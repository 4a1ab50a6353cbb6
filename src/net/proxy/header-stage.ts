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
import { checkDuration, checkKeys, outOfRange, wrongType } from '../../support/checks.ts';
import type {
  HandshakeStage,
  PendingHandshake,
  ProxyProtocolOptions,
} from '../../world/handshake.ts';
import type { Endpoint, Transport } from '../../world/network.ts';
import { ipBytes, ipFamily, SocketAddress } from '../address.ts';
import { ProxyHeaderError, ProxyUntrustedError } from '../errors.ts';
import type { Socket } from '../tcp/socket.ts';
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
  readonly timeoutMs: number;
  readonly scheduler: Scheduler;
  readonly #trusted: AddressRanges;
  readonly #acceptsUntrusted: boolean;

  constructor(options: ProxyProtocolOptions, scheduler: Scheduler) {
    this.timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.scheduler = scheduler;
    this.#trusted = new AddressRanges('proxyProtocol.trusted', options.trusted);
    this.#acceptsUntrusted = options.untrusted === 'accept';
  }

  start(handshake: PendingHandshake): () => void {
    const { raw } = handshake;
    const peer = new SocketAddress(raw.remote);
    if (this.#trusted.has(peer)) {
      const reader = new HeaderReader(this, handshake, peer);
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
  readonly #stage: ProxyHeaderStage;
  readonly #handshake: PendingHandshake;
  readonly #raw: Transport;
  readonly #proxy: SocketAddress;
  readonly #timer = new Timer(this);
  #bytes: Buffer = Buffer.alloc(0);

  constructor(stage: ProxyHeaderStage, handshake: PendingHandshake, proxy: SocketAddress) {
    this.#stage = stage;
    this.#handshake = handshake;
    this.#raw = handshake.raw;
    this.#proxy = proxy;
  }

  start(): void {
    const { scheduler, timeoutMs } = this.#stage;
    scheduler.arm(this.#timer, scheduler.now() + timeoutMs);
    this.notify();
  }

  /** The network was closed, and with it the connection. */
  reject(error: unknown): void {
    this.#fail(error as Error);
  }

  expire(): void {
    const what = `the PROXY protocol header from ${this.#proxy}`;
    this.#fail(new TimeoutError(this.#stage.timeoutMs, what));
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
        if (more.length === 0)
          return this.#onEnd(this.#headerError('the connection ended in the middle of it'));
        this.#bytes = Buffer.concat([this.#bytes, more]);
      }
      this.#raw.recvWaiter = this;
    } catch (error) {
      this.#onEnd(error as Error);
    }
  }

  #onParsed(parse: Exclude<ProxyParse, { readonly kind: 'more' }>): void {
    if (parse.kind === 'absent') return this.#fail(this.#headerError('there is none'));
    if (parse.kind === 'invalid') return this.#fail(this.#headerError(parse.why));
    this.#stop();
    const raw = this.#raw;
    raw.remote = endpointOf(parse.header.source ?? this.#proxy);
    headers.set(raw.remote, { ...parse.header, proxy: this.#proxy });
    this.#handshake.complete(raw);
  }

  /** The connection has ended. Some peers send nothing: they only check that the port is open. */
  #onEnd(error: Error): void {
    if (this.#bytes.length > 0) return this.#fail(error);
    this.#stop();
    this.#raw.close();
    this.#handshake.disconnected();
  }

  #headerError(why: string): ProxyHeaderError {
    return new ProxyHeaderError(`${this.#proxy}`, why);
  }

  #fail(error: Error & { readonly code?: string }): void {
    this.#stop();
    this.#raw.reset();
    this.#handshake.fail(error);
  }

  #stop(): void {
    this.#stage.scheduler.disarm(this.#timer);
    if (this.#raw.recvWaiter === this) this.#raw.recvWaiter = null;
  }
}

function endpointOf({ host, port, family, path }: SocketAddress): Endpoint {
  if (path !== undefined) return { path };
  return { host, port, family: family === 'IPv6' ? 6 : 4 };
}

// ---- address ranges: '10.0.0.0/8', 'fd00::/8', '192.0.2.7', and 'unix' for Unix sockets ----

const EXPECTED_RANGE = "a range such as '10.0.0.0/8', 'fd00::/8', '192.0.2.7' or 'unix'";

/** The addresses that are equal to `prefix` without their last `hostBits` bits, of 128. */
interface AddressRange {
  readonly prefix: bigint;
  readonly hostBits: bigint;
}

/** A set of address ranges. An IPv4-mapped IPv6 address counts as IPv4. */
export class AddressRanges {
  readonly #ranges: readonly AddressRange[];
  readonly #unix: boolean;

  /** Errors: TypeError, RangeError. `name` names the option in their messages. */
  constructor(name: string, ranges: readonly string[]) {
    if (!Array.isArray(ranges)) throw wrongType(name, `an array of ${EXPECTED_RANGE}`, ranges);
    const parsed = ranges.map((range, index) => parseRange(`${name}[${index}]`, range));
    this.#ranges = parsed.filter((range) => range !== 'unix');
    this.#unix = parsed.includes('unix');
  }

  has({ host, family }: SocketAddress): boolean {
    if (family === 'unix') return this.#unix;
    const address = ipNumber(host);
    return this.#ranges.some(({ prefix, hostBits }) => address >> hostBits === prefix);
  }
}

function parseRange(name: string, range: string): AddressRange | 'unix' {
  if (typeof range !== 'string') throw wrongType(name, EXPECTED_RANGE, range);
  if (range === 'unix') return 'unix';
  const match = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(range);
  const family = ipFamily(match?.[1] ?? '');
  const width = family === 4 ? 32 : 128;
  const bits = Number(match?.[2] ?? width);
  if (match === null || family === 0 || bits > width) throw outOfRange(name, EXPECTED_RANGE, range);
  const hostBits = BigInt(width - bits);
  return { prefix: ipNumber(match[1] as string) >> hostBits, hostBits };
}

/** An IP address as a number of 128 bits. */
function ipNumber(host: string): bigint {
  return BigInt(`0x${Buffer.from(ipBytes(host)).toString('hex')}`);
}
