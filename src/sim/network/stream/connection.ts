/**
 * A connection consists of two streams, one per direction, between two transports. The interfaces
 * between streams and transports, and the functions that connect two transports.
 */
import type { SimCore } from '../../core.ts';
import type { NetworkLink } from '../link.ts';
import { TcpStream } from './tcp-stream.ts';
import { UnixStream } from './unix-stream.ts';

/** The links of both directions, seen from one host. */
export interface LinkPair {
  readonly outbound: NetworkLink;
  readonly inbound: NetworkLink;
}

/** A connection, seen from one of its ends. */
export interface Connection {
  readonly outgoing: SendStream;
  readonly incoming: SendStream;
  readonly peer: StreamEndpoint;
  /** The links of a TCP connection. Undefined for a Unix socket. */
  readonly links?: LinkPair;
}

/** A transport, as the streams of its connection use it. */
export interface StreamEndpoint {
  /** True: the connection no longer exists here, but may still exist at the peer. */
  readonly terminated: boolean;
  /** True while the program waits for space in the send buffer. */
  readonly waitsForSpace: boolean;
  /** The size of the send buffer in bytes: the maximum that is written and not acknowledged. */
  readonly sendBufferBytes: number;
  /** The receive window in bytes: the maximum that is received and not read. */
  readonly recvWindow: number;
  /** TCP_USER_TIMEOUT: milliseconds without an acknowledgement; 0: the default of the system. */
  readonly userTimeoutMs: number;
  /** Bytes have arrived. Returns false if the transport has no space for them. */
  receiveBytes(bytes: Buffer): boolean;
  /** The end of file has arrived. */
  receiveFin(): void;
  receiveReset(): void;
  /** A reset for this end was lost. */
  resetLost(): void;
  /** The send buffer has space again. */
  spaceAvailable(): void;
  /** The peer has not acknowledged within the time limit. */
  timeOut(): void;
}

/** One direction of a connection. */
export interface SendStream {
  /** True: bytes are written that the peer has not acknowledged. */
  readonly unacknowledged: boolean;
  /** True: the receiver will never read, so that a send fails at once (EPIPE). */
  readonly broken: boolean;
  /** The number of bytes that `write` accepts now. */
  space(): number;
  /** Takes over at most `space()` bytes, including their memory. */
  write(bytes: Buffer): void;
  /** A send would block: the stream has to call `spaceAvailable` later. */
  waitForSpace(): void;
  /** Sends the end of file after all written bytes. */
  finish(): void;
  /** Drops what has not been transmitted, and stops. */
  abandon(): void;
  /** Abandons the stream and resets the connection of the receiver. */
  reset(): void;
  /** The receiver has read `count` bytes. */
  bytesRead(count: number): void;
  /** The receiver will not read any more. */
  receiverShutdown(): void;
  /** A reset from the receiver was lost: the sender detects it if bytes are unacknowledged. */
  armRetransmissionTimeout(): void;
}

/** Connects two transports by TCP. Returns the connection of `client`, then that of `server`. */
export function connectTcp(
  core: SimCore,
  links: LinkPair,
  client: StreamEndpoint,
  server: StreamEndpoint,
): [Connection, Connection] {
  const reverse = { outbound: links.inbound, inbound: links.outbound };
  const toServer = new TcpStream(core, links, client, server);
  const toClient = new TcpStream(core, reverse, server, client);
  return [
    { outgoing: toServer, incoming: toClient, peer: server, links },
    { outgoing: toClient, incoming: toServer, peer: client, links: reverse },
  ];
}

/** Connects two Unix sockets of `host`. Returns the connection of `client`, then of `server`. */
export function connectUnix(
  core: SimCore,
  host: string,
  client: StreamEndpoint,
  server: StreamEndpoint,
): [Connection, Connection] {
  const toServer = new UnixStream(core, host, client, server);
  const toClient = new UnixStream(core, host, server, client);
  return [
    { outgoing: toServer, incoming: toClient, peer: server },
    { outgoing: toClient, incoming: toServer, peer: client },
  ];
}
