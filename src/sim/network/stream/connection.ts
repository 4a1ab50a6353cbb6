/** What ties the two ends of a connection together. */
import type { SimCore } from '../../core.ts';
import type { NetworkLink } from '../link.ts';
import { TcpStream } from './tcp-stream.ts';
import { UnixStream } from './unix-stream.ts';

/** What a transport needs from the network of its host. */
export interface TransportOwner<T = object> {
  readonly core: SimCore;
  /** The name of the host. */
  readonly host: string;
  /** The transport is closed: it holds nothing more. */
  forget(transport: T): void;
}

/** A connection, seen from one of its ends. */
export interface Connection {
  readonly outgoing: SendStream;
  /** What the other end sends. */
  readonly incoming: SendStream;
  /** True: a Unix socket. */
  readonly isUnix: boolean;
  /** There and back, for TCP. */
  readonly links?: LinkPair;
  /** True: the other end is no more, and may not have been able to tell. */
  readonly peerTerminated: boolean;
  /** Drops what has not left, and tells the other end that the connection is no more. */
  reset(): void;
}

/** An end that can be told of a reset. */
export interface ConnectionEndpoint extends StreamEndpoint {
  readonly terminated: boolean;
  receiveReset(): void;
  /** A reset got lost on the way. */
  resetLost(): void;
}

/** A TCP connection from `one` to `other`: the wires of both, in this order. */
export function connectTcp(
  core: SimCore,
  links: LinkPair,
  one: ConnectionEndpoint,
  other: ConnectionEndpoint,
): [Connection, Connection] {
  const { outbound, inbound } = links;
  const there = new TcpStream(core, links, one, other);
  const here = new TcpStream(core, { outbound: inbound, inbound: outbound }, other, one);
  return [
    new TcpConnection(core, links, { outgoing: there, incoming: here, peer: other }),
    new TcpConnection(
      core,
      { outbound: inbound, inbound: outbound },
      { outgoing: here, incoming: there, peer: one },
    ),
  ];
}

interface TcpStreams {
  readonly outgoing: TcpStream;
  readonly incoming: TcpStream;
  readonly peer: ConnectionEndpoint;
}

class TcpConnection implements Connection {
  readonly isUnix = false;
  readonly outgoing: TcpStream;
  readonly incoming: TcpStream;
  readonly links: LinkPair;
  readonly #core: SimCore;
  readonly #peer: ConnectionEndpoint;

  constructor(core: SimCore, links: LinkPair, { outgoing, incoming, peer }: TcpStreams) {
    this.#core = core;
    this.links = links;
    this.outgoing = outgoing;
    this.incoming = incoming;
    this.#peer = peer;
  }

  get peerTerminated(): boolean {
    return this.#peer.terminated;
  }

  /** A reset is sent once: if it gets lost, the peer's next bytes are answered with another one. */
  reset(): void {
    const { outbound } = this.links;
    this.outgoing.abandon();
    this.#core.trace('rst', outbound.from, outbound.to, 0, () => 'reset');
    outbound.sendPacket(
      this.outgoing.lastArrival,
      () => this.#peer.receiveReset(),
      () => this.#peer.resetLost(),
    );
  }
}

/** A Unix socket connection within `host`: the wires of both ends, in this order. */
export function connectUnix(
  core: SimCore,
  host: string,
  one: ConnectionEndpoint,
  other: ConnectionEndpoint,
): [Connection, Connection] {
  const there = new UnixStream(core, host, one, other);
  const here = new UnixStream(core, host, other, one);
  return [unixConnection(there, here, other), unixConnection(here, there, one)];
}

function unixConnection(
  outgoing: UnixStream,
  incoming: UnixStream,
  peer: ConnectionEndpoint,
): Connection {
  const reset = (): void => {
    outgoing.abandon();
    peer.receiveReset();
  };
  return { outgoing, incoming, isUnix: true, peerTerminated: false, reset };
}

/** One direction of a stream, as the transports at its two ends use it and hear of it. */

/** There and back. */
export interface LinkPair {
  readonly outbound: NetworkLink;
  readonly inbound: NetworkLink;
}

/** What a flow tells the two transports that it connects. */
export interface StreamEndpoint {
  /** Bytes have arrived. False: nobody is there to take them. */
  receiveBytes(bytes: Buffer): boolean;
  /** The end of file has arrived. */
  receiveFin(): void;
  /** There is room to send again. */
  roomAvailable(): void;
  /** The peer does not answer. */
  timeOut(): void;
  /** True while the program waits for room. */
  readonly waitsForRoom: boolean;
  /** Bytes that its system takes before they are acknowledged. */
  readonly sendBufferBytes: number;
  /** Bytes that its system receives before they are read. */
  readonly recvWindow: number;
  /** Milliseconds without an acknowledgement after which it gives up; 0: the system's own. */
  readonly userTimeoutMs: number;
}

/** The sending side of a stream, as a transport uses it. */
export interface SendStream {
  /** How many bytes it takes now. */
  room(): number;
  /** Takes bytes; the memory is its own from now on. Not more than there is room for. */
  write(bytes: Buffer): void;
  /** The program is told "would block": it wants to hear when there is room. */
  waitForRoom(): void;
  /** End of file, behind everything that was taken. */
  finish(): void;
  /** Drops what has not left. Nothing more is sent or told. */
  abandon(): void;
  /** The receiver has read `count` bytes. */
  bytesRead(count: number): void;
  /** The receiver will not read any more. */
  receiverShutdown(): void;
  /** The receiver is no more, and could not tell: while bytes wait, the sender finds out. */
  armRetransmissionTimeout(): void;
  /** True: bytes were taken and their acknowledgement has not come. */
  readonly unacknowledged: boolean;
  /** True: nobody will ever receive, so a send fails at once (EPIPE). */
  readonly broken: boolean;
}
