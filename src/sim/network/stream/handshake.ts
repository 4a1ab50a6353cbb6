/**
 * How a TCP connection comes about.
 *
 *   client                        server
 *     │ ──────── SYN ───────────►  │  a listener with room in its queue: half open
 *     │ ◄─────── SYN+ACK ────────  │
 *   connected                      │
 *     │ ──────── ACK ───────────►  │  in the queue: may be accepted
 *
 * No listener: the answer is a reset (ECONNREFUSED). No room: no answer. What gets no answer is
 * sent again after 1, 3, 7, … s. The client gives up after 127 s (ETIMEDOUT; tcp_syn_retries in
 * tcp(7) is 6), the server after 63 s (tcp_synack_retries is 5).
 *
 * Timers are armed only where something is known to be lost.
 */
import type { Timer } from '../../../kernel/timers.ts';
import type { SimCore } from '../../core.ts';
import type { IpEndpoint } from '../addresses.ts';
import { endpointText, mapped } from '../addresses.ts';
import type { SimListener } from '../listener.ts';
import { SimTransport } from '../transport.ts';
import type { Connection, LinkPair } from './connection.ts';
import { connectTcp } from './connection.ts';

const SYN_RETRIES = 6;
/** When the server gives up: after 5 retries. */
const HALF_OPEN_MS = 63_000;

/** Between which ends, and how to find who listens when the SYN arrives. */
export interface Route {
  readonly links: LinkPair;
  readonly from: IpEndpoint;
  readonly to: IpEndpoint;
  listener(): SimListener | undefined;
}

/** Sends the SYN. `client` is told how it ends. */
export function beginHandshake(core: SimCore, client: SimTransport, route: Route): void {
  new Handshake(core, client, route).begin();
}

class Handshake {
  readonly #core: SimCore;
  readonly #client: SimTransport;
  readonly #route: Route;
  readonly #startedAt: number;
  /** How often the SYN was sent again. */
  #retries = 0;
  /** The client has been told how it ended, or has given up. */
  #settled = false;
  #halfOpen: HalfOpen | null = null;
  /** Made by the SYN, used by the SYN+ACK. */
  #connection: Connection | null = null;

  constructor(core: SimCore, client: SimTransport, route: Route) {
    this.#core = core;
    this.#client = client;
    this.#route = route;
    this.#startedAt = core.now;
    client.onAbandoned = () => {
      this.#settled = true;
    };
  }

  begin(): void {
    this.#sendSyn();
  }

  #sendSyn(): void {
    const { links, to } = this.#route;
    this.#trace('syn', () => `to ${endpointText(to)}`);
    links.outbound.sendPacket(
      0,
      () => this.#synArrives(),
      () => this.#retrySyn(),
    );
  }

  #retrySyn(): void {
    if (this.#settled) return;
    this.#trace('drop', () => 'no answer to the SYN');
    const next = 2 ** ++this.#retries - 1;
    this.#core.callAt(this.#startedAt + next * 1000, () => {
      if (this.#settled) return;
      if (this.#retries <= SYN_RETRIES) this.#sendSyn();
      else this.#fail('ETIMEDOUT');
    });
  }

  // ---------------------------------------------------------------------------------- the server

  #synArrives(): void {
    if (this.#halfOpen?.dropped === false) {
      this.#halfOpen.restart();
      return this.#sendSynAck();
    }
    const listener = this.#route.listener();
    if (listener === undefined) return this.#sendReset();
    if (listener.isFull) return this.#retrySyn();
    this.#open(listener);
    this.#sendSynAck();
  }

  #sendReset(): void {
    const { inbound } = this.#route.links;
    this.#core.trace('rst', inbound.from, inbound.to, 0, () => 'nobody listens');
    inbound.sendPacket(
      0,
      () => this.#fail('ECONNREFUSED'),
      () => this.#retrySyn(),
    );
  }

  #open(listener: SimListener): void {
    const { links, from, to } = this.#route;
    const clothed = listener.binding.dualStack && to.family === 4;
    const server = new SimTransport(listener.owner, clothed ? mapped(from) : from);
    server.local = clothed ? mapped(to) : to;
    server.inherit(listener.binding.sizes);
    const [near, far] = connectTcp(this.#core, links, this.#client, server);
    this.#connection = near;
    server.established(far);
    this.#halfOpen = new HalfOpen(this.#core, links, { listener, server });
  }

  #sendSynAck(): void {
    this.#route.links.inbound.sendPacket(
      0,
      () => this.#synAckArrives(),
      () => {
        this.#halfOpen?.armLimit();
        this.#retrySyn();
      },
    );
  }

  // ---------------------------------------------------------------------------------- the client

  #synAckArrives(): void {
    const halfOpen = this.#halfOpen as HalfOpen;
    if (this.#settled) return this.#resetHalfOpen(halfOpen);
    this.#settled = true;
    this.#client.onAbandoned = null;
    this.#client.established(this.#connection as Connection);
    halfOpen.awaitAck();
  }

  /** An answer to a client that is no more. */
  #resetHalfOpen(halfOpen: HalfOpen): void {
    halfOpen.armLimit();
    this.#trace('rst', () => 'nobody waits for the answer');
    this.#route.links.outbound.sendPacket(0, () => halfOpen.drop());
  }

  #fail(code: 'ECONNREFUSED' | 'ETIMEDOUT'): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#client.failConnect(code);
  }

  #trace(kind: string, text: () => string): void {
    const { outbound } = this.#route.links;
    this.#core.trace(kind, outbound.from, outbound.to, this.#retries, text);
  }
}

/** The server's end between SYN and ACK. */
interface HalfOpenServer {
  readonly listener: SimListener;
  readonly server: SimTransport;
}

class HalfOpen {
  dropped = false;
  readonly #core: SimCore;
  readonly #links: LinkPair;
  readonly #ends: HalfOpenServer;
  #startedAt: number;
  #retries = 0;
  #settled = false;
  #limitTimer: Timer | null = null;

  constructor(core: SimCore, links: LinkPair, passive: HalfOpenServer) {
    this.#core = core;
    this.#links = links;
    this.#ends = passive;
    this.#startedAt = core.now;
    passive.listener.halfOpen++;
    // Bytes that come before the ACK are as good as one.
    passive.server.onSegment = () => this.#complete();
  }

  /** Something got lost: it may be that the ACK never comes. */
  armLimit(): void {
    if (this.#settled || this.#limitTimer !== null) return;
    this.#limitTimer = this.#core.callAt(this.#startedAt + HALF_OPEN_MS, () => this.drop());
  }

  /** The SYN has come again: the time for the ACK begins anew, as on Linux (tcp_check_req). */
  restart(): void {
    this.#startedAt = this.#core.now;
    this.#retries = 0;
    if (this.#limitTimer === null) return;
    this.#core.disarm(this.#limitTimer);
    this.#limitTimer = null;
    this.armLimit();
  }

  awaitAck(): void {
    this.#links.outbound.sendPacket(
      0,
      () => this.#complete(),
      () => this.#retrySynAck(),
    );
  }

  /** The SYN+ACK is sent again, and answered again if both get through. */
  #retrySynAck(): void {
    this.armLimit();
    const next = 2 ** ++this.#retries - 1;
    this.#core.callAt(this.#startedAt + next * 1000, () => {
      if (this.#settled) return;
      if (this.#links.inbound.cut) this.#retrySynAck();
      else this.awaitAck();
    });
  }

  /** True for the first call only. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#ends.listener.halfOpen--;
    this.#ends.server.onSegment = null;
    if (this.#limitTimer !== null) this.#core.disarm(this.#limitTimer);
    return true;
  }

  #complete(): void {
    if (!this.#settle()) return;
    const { listener, server } = this.#ends;
    if (listener.closed) server.reset();
    else listener.enqueue(server);
  }

  /** Nothing is left of it: what comes for it later is answered with a reset. */
  drop(): void {
    if (!this.#settle()) return;
    this.dropped = true;
    this.#ends.server.terminated = true;
    this.#ends.server.destroy();
  }
}
