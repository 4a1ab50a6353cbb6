/**
 * How many connections each peer has, and how fast it connects.
 *
 * Invariants:
 *  1. A peer with open connections is in `#active`, which is as bounded as they are.
 *  2. A peer without is remembered for its rate only, in `#quiet`, in the order of its last visit;
 *     of these the oldest go when there are more than MOST_QUIET. Whoever has that many addresses
 *     is not held back by a limit per address.
 */
import type { SocketAddress } from '../net/address.ts';
import type { AcceptRate, Limits } from './options.ts';
import type { RefusalCause } from './stats.ts';

/** Some 2 MB. */
const MAX_IDLE_PEERS = 16_384;

/** One address, or one /64 of IPv6: what one customer of a provider is given (RFC 6177). */
interface Peer {
  open: number;
  /** Connections that it may still make, as of `at` (a token bucket). */
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

  /** Peers that are remembered. */
  get size(): number {
    return this.#active.size + this.#idle.size;
  }

  /** A connection has come: why it is refused; null: it is counted. */
  admit(key: string, now: number): RefusalCause | null {
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

  /** A connection that was counted has ended. */
  release(key: string): void {
    const peer = this.#active.get(key);
    if (peer === undefined || --peer.open > 0) return;
    this.#active.delete(key);
    if (this.#rate !== null) this.#rememberIdle(key, peer);
  }

  #newPeer(at: number): Peer {
    return { open: 0, tokens: this.#rate?.count ?? 0, refilledAt: at };
  }

  #checkLimits(peer: Peer, now: number): RefusalCause | null {
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
    if (this.#idle.size <= MAX_IDLE_PEERS) return;
    for (const oldest of this.#idle.keys()) {
      this.#idle.delete(oldest);
      return;
    }
  }
}

const MAPPED = '::ffff:';

/** Under which a peer is counted; `undefined`: it is not, as all peers of a Unix socket are one. */
export function peerKey({ family, host }: SocketAddress): string | undefined {
  if (family === 'unix') return undefined;
  if (family === 'IPv4') return host;
  // An IPv4 peer of a listener that serves both (RFC 4291, 2.5.5.2).
  if (host.startsWith(MAPPED) && host.includes('.')) return host.slice(MAPPED.length);
  return first64(host);
}

/** The first four groups of an IPv6 address, as the system writes it. */
function first64(host: string): string {
  const [head = '', tail] = host.split('%', 1)[0]?.split('::') ?? [];
  const front = groups(head);
  if (tail === undefined) return front.slice(0, 4).join(':');
  const back = groups(tail);
  // Four decimal numbers at the end stand for two groups.
  const absent = 8 - front.length - back.length - (tail.includes('.') ? 1 : 0);
  return [...front, ...new Array<string>(absent).fill('0'), ...back].slice(0, 4).join(':');
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':');
}
