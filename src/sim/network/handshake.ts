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
import type { Timer } from '../../kernel/timers.ts';
import type { SimCore } from '../core.ts';
import type { IpEndpoint } from './addresses.ts';
import { endpointText, mapped } from './addresses.ts';
import type { Ways } from './direction.ts';
import type { SimListener } from './listener.ts';
import { SimTransport } from './transport.ts';
import type { Wire } from './wire.ts';
import { tcpWires } from './wire.ts';

const SYN_RETRIES = 6;
/** When the server gives up: after 5 retries. */
const HALF_OPEN_MS = 63_000;

/** Between which ends, and how to find who listens when the SYN arrives. */
export interface Route {
  readonly ways: Ways;
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
  readonly #begunAt: number;
  /** How often the SYN was sent again. */
  #retries = 0;
  /** The client has been told how it ended, or has given up. */
  #over = false;
  #halfOpen: HalfOpen | null = null;
  /** Made by the SYN, used by the SYN+ACK. */
  #wire: Wire | null = null;

  constructor(core: SimCore, client: SimTransport, route: Route) {
    this.#core = core;
    this.#client = client;
    this.#route = route;
    this.#begunAt = core.now;
    client.onGiveUp = () => {
      this.#over = true;
    };
  }

  begin(): void {
    this.#sendSyn();
  }

  #sendSyn(): void {
    const { ways, to } = this.#route;
    this.#trace('syn', () => `to ${endpointText(to)}`);
    ways.path.carry(
      0,
      () => this.#synArrives(),
      () => this.#tryAgain(),
    );
  }

  #tryAgain(): void {
    if (this.#over) return;
    this.#trace('drop', () => 'no answer to the SYN');
    const next = 2 ** ++this.#retries - 1;
    this.#core.at(this.#begunAt + next * 1000, () => {
      if (this.#over) return;
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
    if (listener === undefined) return this.#refuse();
    if (listener.isFull) return this.#tryAgain();
    this.#open(listener);
    this.#sendSynAck();
  }

  #refuse(): void {
    const { back } = this.#route.ways;
    this.#core.trace('rst', back.from, back.to, 0, () => 'nobody listens');
    back.carry(
      0,
      () => this.#fail('ECONNREFUSED'),
      () => this.#tryAgain(),
    );
  }

  #open(listener: SimListener): void {
    const { ways, from, to } = this.#route;
    const clothed = listener.binding.dualStack && to.family === 4;
    const server = new SimTransport(listener.owner, clothed ? mapped(from) : from);
    server.local = clothed ? mapped(to) : to;
    server.inherit(listener.binding.sizes);
    const [near, far] = tcpWires(this.#core, ways, this.#client, server);
    this.#wire = near;
    server.established(far);
    this.#halfOpen = new HalfOpen(this.#core, ways, { listener, server });
  }

  #sendSynAck(): void {
    this.#route.ways.back.carry(
      0,
      () => this.#synAckArrives(),
      () => {
        this.#halfOpen?.limit();
        this.#tryAgain();
      },
    );
  }

  // ---------------------------------------------------------------------------------- the client

  #synAckArrives(): void {
    const halfOpen = this.#halfOpen as HalfOpen;
    if (this.#over) return this.#disown(halfOpen);
    this.#over = true;
    this.#client.onGiveUp = null;
    this.#client.established(this.#wire as Wire);
    halfOpen.awaitAck();
  }

  /** An answer to a client that is no more. */
  #disown(halfOpen: HalfOpen): void {
    halfOpen.limit();
    this.#trace('rst', () => 'nobody waits for the answer');
    this.#route.ways.path.carry(0, () => halfOpen.drop());
  }

  #fail(code: 'ECONNREFUSED' | 'ETIMEDOUT'): void {
    if (this.#over) return;
    this.#over = true;
    this.#client.failConnect(code);
  }

  #trace(kind: string, text: () => string): void {
    const { path } = this.#route.ways;
    this.#core.trace(kind, path.from, path.to, this.#retries, text);
  }
}

/** The server's end between SYN and ACK. */
interface Passive {
  readonly listener: SimListener;
  readonly server: SimTransport;
}

class HalfOpen {
  dropped = false;
  readonly #core: SimCore;
  readonly #ways: Ways;
  readonly #passive: Passive;
  #begunAt: number;
  #retries = 0;
  #settled = false;
  #limit: Timer | null = null;

  constructor(core: SimCore, ways: Ways, passive: Passive) {
    this.#core = core;
    this.#ways = ways;
    this.#passive = passive;
    this.#begunAt = core.now;
    passive.listener.halfOpen++;
    // Bytes that come before the ACK are as good as one.
    passive.server.onContact = () => this.#complete();
  }

  /** Something got lost: it may be that the ACK never comes. */
  limit(): void {
    if (this.#settled || this.#limit !== null) return;
    this.#limit = this.#core.at(this.#begunAt + HALF_OPEN_MS, () => this.drop());
  }

  /** The SYN has come again: the time for the ACK begins anew, as on Linux (tcp_check_req). */
  restart(): void {
    this.#begunAt = this.#core.now;
    this.#retries = 0;
    if (this.#limit === null) return;
    this.#core.forget(this.#limit);
    this.#limit = null;
    this.limit();
  }

  awaitAck(): void {
    this.#ways.path.carry(
      0,
      () => this.#complete(),
      () => this.#askAgain(),
    );
  }

  /** The SYN+ACK is sent again, and answered again if both get through. */
  #askAgain(): void {
    this.limit();
    const next = 2 ** ++this.#retries - 1;
    this.#core.at(this.#begunAt + next * 1000, () => {
      if (this.#settled) return;
      if (this.#ways.back.cut) this.#askAgain();
      else this.awaitAck();
    });
  }

  /** True for the first call only. */
  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#passive.listener.halfOpen--;
    this.#passive.server.onContact = null;
    if (this.#limit !== null) this.#core.forget(this.#limit);
    return true;
  }

  #complete(): void {
    if (!this.#settle()) return;
    const { listener, server } = this.#passive;
    if (listener.closed) server.reset();
    else listener.enqueue(server);
  }

  /** Nothing is left of it: what comes for it later is answered with a reset. */
  drop(): void {
    if (!this.#settle()) return;
    this.dropped = true;
    this.#passive.server.gone = true;
    this.#passive.server.vanish();
  }
}
