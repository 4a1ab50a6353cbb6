/** What ties the two ends of a connection together. */
import type { SimCore } from '../core.ts';
import type { FlowEnd, Outgoing, Ways } from './direction.ts';
import { Flow } from './flow.ts';
import { LocalFlow } from './local.ts';

/** What a transport needs from the network of its host. */
export interface TransportOwner<T = object> {
  readonly core: SimCore;
  /** The name of the host. */
  readonly host: string;
  /** The transport is closed: it holds nothing more. */
  forget(transport: T): void;
}

/** A connection, seen from one of its ends. */
export interface Wire {
  readonly outgoing: Outgoing;
  /** What the other end sends. */
  readonly incoming: Outgoing;
  /** True: a Unix socket. */
  readonly local: boolean;
  /** There and back, for TCP. */
  readonly ways?: Ways;
  /** True: the other end is no more, and may not have been able to tell. */
  readonly peerGone: boolean;
  /** Drops what has not left, and tells the other end that the connection is no more. */
  reset(): void;
}

/** An end that can be told of a reset. */
export interface WireEnd extends FlowEnd {
  readonly gone: boolean;
  receivesReset(): void;
  /** A reset got lost on the way. */
  missesReset(): void;
}

/** A TCP connection from `one` to `other`: the wires of both, in this order. */
export function tcpWires(core: SimCore, ways: Ways, one: WireEnd, other: WireEnd): [Wire, Wire] {
  const { path, back } = ways;
  const there = new Flow(core, ways, one, other);
  const here = new Flow(core, { path: back, back: path }, other, one);
  return [
    new TcpWire(core, ways, { outgoing: there, incoming: here, peer: other }),
    new TcpWire(core, { path: back, back: path }, { outgoing: here, incoming: there, peer: one }),
  ];
}

interface Ends {
  readonly outgoing: Flow;
  readonly incoming: Flow;
  readonly peer: WireEnd;
}

class TcpWire implements Wire {
  readonly local = false;
  readonly outgoing: Flow;
  readonly incoming: Flow;
  readonly ways: Ways;
  readonly #core: SimCore;
  readonly #peer: WireEnd;

  constructor(core: SimCore, ways: Ways, { outgoing, incoming, peer }: Ends) {
    this.#core = core;
    this.ways = ways;
    this.outgoing = outgoing;
    this.incoming = incoming;
    this.#peer = peer;
  }

  get peerGone(): boolean {
    return this.#peer.gone;
  }

  /** A reset is sent once: if it gets lost, the peer's next bytes are answered with another one. */
  reset(): void {
    const { path } = this.ways;
    this.outgoing.drop();
    this.#core.trace('rst', path.from, path.to, 0, () => 'reset');
    path.carry(
      this.outgoing.lastArrival,
      () => this.#peer.receivesReset(),
      () => this.#peer.missesReset(),
    );
  }
}

/** A Unix socket connection within `host`: the wires of both ends, in this order. */
export function localWires(
  core: SimCore,
  host: string,
  one: WireEnd,
  other: WireEnd,
): [Wire, Wire] {
  const there = new LocalFlow(core, host, one, other);
  const here = new LocalFlow(core, host, other, one);
  return [localWire(there, here, other), localWire(here, there, one)];
}

function localWire(outgoing: LocalFlow, incoming: LocalFlow, peer: WireEnd): Wire {
  const reset = (): void => {
    outgoing.drop();
    peer.receivesReset();
  };
  return { outgoing, incoming, local: true, peerGone: false, reset };
}
