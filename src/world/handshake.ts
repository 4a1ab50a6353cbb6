/**
 * Gates: what an accepted connection has to come through before a program is given it, such as a
 * handshake of TLS. Types only; nothing here runs.
 */
import type { Transport } from './network.ts';

/** What `listen` and `tcpServer` can be told as `proxyProtocol`. */
export interface ProxyProtocolOptions {
  /**
   * Who may speak for others, and has to: ranges of addresses ('10.0.0.0/8', 'fd00::/8',
   * '192.0.2.7'), and 'unix' for whoever reaches a Unix socket.
   */
  readonly trusted: readonly string[];
  /** How long a header may take, in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /**
   * Connections from anywhere else: 'reset' (the default) resets them, 'accept' takes them for what
   * they are. What they send is not looked at in either case.
   */
  readonly untrusted?: 'reset' | 'accept';
}

/** Begins what connections have to come through. */
export interface HandshakeStage {
  /** Connections that may be on their way through, or wait to be accepted behind it. */
  readonly maxPending: number;

  /**
   * Begins with `passage.raw`, and tells the passage how it came out: once, in this call or later.
   * The returned function gives up: the connection is reset, and nothing more is told.
   */
  start(passage: PendingHandshake): () => void;
}

/** The way of one connection through a gate, as the gate sees it. */
export interface PendingHandshake {
  /** The connection that was accepted. Whatever becomes of it, the gate closes it. */
  readonly raw: Transport;
  /** It is through: what the program is given. */
  complete(transport: Transport): void;
  /** It was refused, or has failed. */
  fail(error: Error & { readonly code?: string }): void;
  /** The peer has gone before it wanted anything. */
  disconnected(): void;
}

/** Why a connection did not come through. */
export interface HandshakeFailure {
  /** 'ECONNRESET', 'ERR_TIMEOUT', 'ERR_PROXY_HEADER', or a code of OpenSSL. */
  readonly code: string;
  readonly message: string;
  /** The address of the client. */
  readonly peer: string;
}

/** Handshakes of TLS, or headers of proxies, of a listener: since it began, and now. */
export interface HandshakeStats {
  /** Under way now. */
  readonly pending: number;
  /** Complete, and not accepted yet. */
  readonly waiting: number;
  readonly completed: number;
  /** Failed, those that took too long included. */
  readonly failed: number;
  /** Took longer than they may. */
  readonly timedOut: number;
  readonly lastFailure: HandshakeFailure | undefined;
}
