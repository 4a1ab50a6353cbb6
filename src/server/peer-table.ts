/**
 * The number of connections of each peer and the rate at which it connects.
 *
 * Invariants:
 *  1. A peer with open connections is in `#active`, which the number of open connections bounds.
 *  2. A peer without open connections is kept in `#idle` for its rate only, ordered by its last
 *     connection. The oldest are dropped above MAX_IDLE_PEERS; a client with more addresses than
 *     that is not limited by a rate per address anyway.
 */
import type { SocketAddress } from '../net/address.ts';
import type { AcceptRate, Limits } from './options.ts';
import type { RefusalReason } from './stats.ts';

/** About 2 MB. */
const MAX_IDLE_PEERS = 16_384;

/** The counters of the connections from one key; see `peerKey`. */
interface Peer {
  open: number;
  /** Connections that it may make, as of `refilledAt` (a token bucket). */
  tokens: number;
  refilledAt: number;
}

export class PeerTable {
  readonly #maxPerPeer: number;
  readonly #rate: AcceptRate | null;
  readonly #active = new Map<string, Peer>();
  readonly #idle = new Map<string, Peer>();

  constructor({ maxPerPeer, acceptRate }: Limits) {
    this.#maxPerPeer = maxPerPeer;
    this.#rate = acceptRate;
  }

  /** Number of peers in the table. */
  get size(): number {
    return this.#active.size + this.#idle.size;
  }

  /** Counts a new connection and returns null, or returns the limit that refuses it. */
  admit(key: string, now: number): RefusalReason | null {
    const peer = this.#active.get(key) ?? this.#idle.get(key) ?? this.#newPeer(now);
    const refusal = this.#checkLimits(peer, now);
    if (refusal === null) {
      peer.open++;
      this.#idle.delete(key);
      this.#active.set(key, peer);
    } else if (peer.open === 0) {
      this.#rememberIdle(key, peer);
    }
    return refusal;
  }

  /** A counted connection has ended. */
  release(key: string): void {
    const peer = this.#active.get(key);
    if (peer === undefined || --peer.open > 0) return;
    this.#active.delete(key);
    if (this.#rate !== null) this.#rememberIdle(key, peer);
  }

  #newPeer(now: number): Peer {
    return { open: 0, tokens: this.#rate?.count ?? 0, refilledAt: now };
  }

  #checkLimits(peer: Peer, now: number): RefusalReason | null {
    if (peer.open >= this.#maxPerPeer) return 'maxConnectionsPerPeer';
    if (this.#rate === null) return null;
    const { count, perMs } = this.#rate;
    peer.tokens = Math.min(count, peer.tokens + ((now - peer.refilledAt) * count) / perMs);
    peer.refilledAt = now;
    if (peer.tokens < 1) return 'maxAcceptRatePerPeer';
    peer.tokens--;
    return null;
  }

  #rememberIdle(key: string, peer: Peer): void {
    this.#idle.delete(key);
    this.#idle.set(key, peer);
    const [oldest] = this.#idle.keys();
    if (this.#idle.size > MAX_IDLE_PEERS) this.#idle.delete(oldest as string);
  }
}

const MAPPED_PREFIX = '::ffff:';

/**
 * The key under which a peer is counted: an IPv4 address, or a /64 of IPv6, which is one subnet (a
 * customer may have several). `undefined` for Unix sockets, which have no address.
 */
export function peerKey({ family, host }: SocketAddress): string | undefined {
  if (family === 'unix') return undefined;
  if (family === 'IPv4') return host;
  // An IPv4 peer of a dual-stack listener (RFC 4291, 2.5.5.2).
  if (host.startsWith(MAPPED_PREFIX) && host.includes('.')) return host.slice(MAPPED_PREFIX.length);
  return first64Bits(host);
}

/** The first four groups of an IPv6 address in the notation of the system. */
function first64Bits(host: string): string {
  const [head = '', tail] = host.split('%', 1)[0]?.split('::') ?? [];
  const front = groups(head);
  if (tail === undefined) return front.slice(0, 4).join(':');
  const back = groups(tail);
  // A dotted quad at the end stands for two groups.
  const absent = 8 - front.length - back.length - (tail.includes('.') ? 1 : 0);
  return [...front, ...new Array<string>(absent).fill('0'), ...back].slice(0, 4).join(':');
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
