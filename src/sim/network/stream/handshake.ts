/**
 * The TCP handshake.
 *
 *   client                        server
 *     │ ──────── SYN ───────────►  │  a listener with space in its queue: half open
 *     │ ◄─────── SYN+ACK ────────  │
 *   connected                      │
 *     │ ──────── ACK ───────────►  │  queued: may be accepted
 *
 * Without a listener the answer is a reset (ECONNREFUSED). With a full queue the SYN is dropped.
 * The client sends the SYN again after 1, 3, 7, … s and fails after 127 s (ETIMEDOUT;
 * tcp_syn_retries in tcp(7) is 6). The server drops the connection after 63 s (tcp_synack_retries
 * is 5).
 *
 * Timers are armed only if a packet is lost.
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
/** The time after which the server drops a half-open connection: 5 retries. */
const HALF_OPEN_MS = 63_000;

/** The addresses and links of a connection, and a lookup of the listener when a SYN arrives. */
export interface Route {
  readonly links: LinkPair;
  readonly from: IpEndpoint;
  readonly to: IpEndpoint;
  listener(): SimListener | undefined;
}

export class Handshake {
  readonly #core: SimCore;
  readonly #client: SimTransport;
  readonly #route: Route;
  readonly #startedAt: number;
  /** The number of times the SYN was sent again. */
  #retries = 0;
  /** True: the client has been notified, or was closed. */
  #settled = false;
  #halfOpen: HalfOpen | null = null;
  /** The client's end. Created when the SYN arrives, used when the SYN+ACK arrives. */
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

  /** Sends the SYN and later notifies the client of the result. */
  sendSyn(): void {
    const { links, to } = this.#route;
    this.#trace('syn', () => `to ${endpointText(to)}`);
    links.outbound.sendPacket(
      'SYN',
      () => this.#synArrives(),
      () => this.#retrySyn(),
    );
  }

  #retrySyn(): void {
    if (this.#settled) return;
    this.#trace('drop', () => 'SYN without answer');
    const delay = 2 ** ++this.#retries - 1;
    this.#core.callAt(this.#startedAt + delay * 1000, () => {
      if (this.#settled) return;
      if (this.#retries <= SYN_RETRIES) this.sendSyn();
      else this.#fail('ETIMEDOUT');
    });
  }

  // ---- the server ----

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
    this.#core.trace('rst', inbound.from, inbound.to, 0, () => 'no listener');
    inbound.sendPacket(
      'RST',
      () => this.#fail('ECONNREFUSED'),
      () => this.#retrySyn(),
    );
  }

  #open(listener: SimListener): void {
    const { links, from, to } = this.#route;
    const isMapped = listener.binding.dualStack && to.family === 4;
    const server = new SimTransport(listener.owner, isMapped ? mapped(from) : from);
    server.local = isMapped ? mapped(to) : to;
    server.options.setSizes(listener.binding.sizes);
    const [clientEnd, serverEnd] = connectTcp(this.#core, links, this.#client, server);
    this.#connection = clientEnd;
    server.established(serverEnd);
    this.#halfOpen = new HalfOpen(this.#core, links, listener, server);
  }

  #sendSynAck(): void {
    this.#route.links.inbound.sendPacket(
      'SYN+ACK',
      () => this.#synAckArrives(),
      () => {
        this.#halfOpen?.armLimit();
        this.#retrySyn();
      },
    );
  }

  // ---- the client ----

  #synAckArrives(): void {
    const halfOpen = this.#halfOpen as HalfOpen;
    if (this.#settled) return this.#resetHalfOpen(halfOpen);
    this.#settled = true;
    this.#client.onAbandoned = null;
    this.#client.established(this.#connection as Connection);
    halfOpen.awaitAck();
  }

  /** The client was closed before the SYN+ACK arrived. */
  #resetHalfOpen(halfOpen: HalfOpen): void {
    halfOpen.armLimit();
    this.#trace('rst', () => 'the client was closed');
    this.#route.links.outbound.sendPacket('RST', () => halfOpen.drop());
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

/** The server's side between SYN and ACK. */
class HalfOpen {
  dropped = false;
  readonly #core: SimCore;
  readonly #links: LinkPair;
  readonly #listener: SimListener;
  readonly #server: SimTransport;
  #startedAt: number;
  #retries = 0;
  #settled = false;
  #limitTimer: Timer | null = null;

  constructor(core: SimCore, links: LinkPair, listener: SimListener, server: SimTransport) {
    this.#core = core;
    this.#links = links;
    this.#listener = listener;
    this.#server = server;
    this.#startedAt = core.now;
    listener.halfOpen++;
    // Bytes that arrive before the ACK complete the handshake as well.
    server.onSegment = () => this.#complete();
  }

  /** A packet was lost, so the ACK may never arrive. */
  armLimit(): void {
    if (this.#settled || this.#limitTimer !== null) return;
    this.#limitTimer = this.#core.callAt(this.#startedAt + HALF_OPEN_MS, () => this.drop());
  }

  /** The SYN has arrived again: the time limit starts again, as on Linux (tcp_check_req). */
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
      'ACK',
      () => this.#complete(),
      () => this.#retrySynAck(),
    );
  }

  /** Sends the SYN+ACK again, and the ACK again if the SYN+ACK arrives. */
  #retrySynAck(): void {
    this.armLimit();
    const delay = 2 ** ++this.#retries - 1;
    this.#core.callAt(this.#startedAt + delay * 1000, () => {
      if (this.#settled) return;
      if (this.#links.inbound.cut) this.#retrySynAck();
      else this.awaitAck();
    });
  }

  /** Returns true for the first call only. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#listener.halfOpen--;
    this.#server.onSegment = null;
    if (this.#limitTimer !== null) this.#core.disarm(this.#limitTimer);
    return true;
  }

  #complete(): void {
    if (!this.#settle()) return;
    if (this.#listener.closed) this.#server.reset();
    else this.#listener.enqueue(this.#server);
  }

  /** Removes the server's end. Later packets are answered with a reset. */
  drop(): void {
    if (!this.#settle()) return;
    this.dropped = true;
    this.#server.terminated = true;
    this.#server.destroy();
  }
}
