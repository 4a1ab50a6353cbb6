/**
 * Handshakes on accepted connections, before the program gets them: TLS, and the PROXY header.
 * Types only; nothing here runs.
 *
 * net/handshake/handshaking-listener.ts accepts connections and starts a HandshakeStage on each.
 * The stages are node/epoll/tls/server.ts and node/tls/handshake.ts (TLS) and
 * net/proxy/header-stage.ts (PROXY header).
 */
import type { Transport } from './network.ts';

/** The `proxyProtocol` option of `listen` and `tcpServer`. */
export interface ProxyProtocolOptions {
  /**
   * The addresses of the proxies, which must send a header: ranges ('10.0.0.0/8', 'fd00::/8',
   * '192.0.2.7'), and 'unix' for every peer of a Unix socket.
   */
  readonly trusted: readonly string[];
  /** Time limit for a header, in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /**
   * Connections from other addresses: 'reset' (the default) resets them, 'accept' accepts them with
   * their own address. Neither looks for a header.
   */
  readonly untrusted?: 'reset' | 'accept';
}

/** A handshake that every connection of a listener has to complete. */
export interface HandshakeStage {
  /** The maximum number of connections that are pending or wait to be accepted. */
  readonly maxPending: number;

  /**
   * Starts the handshake on `handshake.raw` and reports its outcome on `handshake`, once, in this
   * call or later. The returned function aborts: it resets the connection, and no outcome is
   * reported.
   */
  start(handshake: PendingHandshake): () => void;
}

/** The handshake of one connection. A stage calls one of the three methods. */
export interface PendingHandshake {
  /** The accepted connection. The stage closes it, unless it completes with it. */
  readonly raw: Transport;
  /** The handshake is complete; the program gets `transport`. */
  complete(transport: Transport): void;
  /** The handshake has failed. */
  fail(error: Error & { readonly code?: string }): void;
  /** The peer disconnected before it sent anything. Not counted as a failure. */
  disconnected(): void;
}

/** The reason of a failed handshake. */
export interface HandshakeFailure {
  /** 'ECONNRESET', 'ERR_TIMEOUT', 'ERR_PROXY_HEADER', or an OpenSSL code. */
  readonly code: string;
  readonly message: string;
  /** The address of the peer. */
  readonly peer: string;
}

/** Counters of a listener's TLS handshakes, or of its PROXY headers. */
export interface HandshakeStats {
  /** In progress now. */
  readonly pending: number;
  /** Complete now, and not accepted yet. */
  readonly waiting: number;
  readonly completed: number;
  /** Failed, including those that exceeded their time limit. */
  readonly failed: number;
  /** Exceeded their time limit. */
  readonly timedOut: number;
  readonly lastFailure: HandshakeFailure | undefined;
}
