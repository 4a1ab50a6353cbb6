/**
 * The contract of a client of a NATS server, as coronet/topics uses it. node/peers/ adapts the npm
 * package; topics/broker/ implements it on sockets of Coronet, for simulations.
 */

/** Options of a connection to NATS servers. */
export interface BrokerOptions {
  /** Addresses of servers: 'host:port' or 'nats://host:port'. The client also learns the others of
   *  their cluster. */
  readonly servers: string | readonly string[];
  /** The name that the server shows for the connection. */
  readonly name?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** The contents of a .creds file: a JWT and a seed. */
  readonly credentials?: string;
  /** True: TLS with the system's certificate authorities; or options, in PEM format. */
  readonly tls?: true | BrokerTlsOptions;
  /** The time limit for a connection to one server in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** The pause between connection attempts to one server in milliseconds. Default 500. */
  readonly reconnectDelayMs?: number;
  /** The interval of pings in milliseconds; after two without a pong the connection counts as lost.
   *  Default 5000. */
  readonly pingIntervalMs?: number;
}

/** TLS options of a connection to NATS servers, in PEM format. */
export interface BrokerTlsOptions {
  /** The certificate authorities that the server's certificate is checked against. */
  readonly ca?: string;
  /** The certificate and key of the client. */
  readonly cert?: string;
  readonly key?: string;
}

/** A message on its way through a broker. */
export interface BrokerMessage {
  readonly subject: string;
  readonly data: Buffer;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly reply?: string | undefined;
}

/** Callbacks of a connection. They are called from the event loop. */
export interface BrokerEvents {
  /** The connection is lost; the client connects again. What was not confirmed may be lost. */
  disconnected(): void;
  /** Connected again: subscriptions are sent before anything else. */
  reconnected(): void;
  /** The server has denied a published message. */
  denied(message: string): void;
  /** Called once, last, unless `close` was called: the client has given up. */
  closed(error: unknown): void;
}

/** Callbacks of a subscription. */
export interface BrokerSubscriber {
  /** `noResponders`: the server reports to this inbox that no subscription received the request. */
  onMessage(message: BrokerMessage, noResponders: boolean): void;
  onDenied(message: string): void;
}

/** A connection to one of the servers. */
export interface BrokerLink {
  /** The maximum size of data and headers. */
  readonly maxBytes: number;
  /** Must be called while connected only. The caller bounds what is not confirmed. */
  publish(message: BrokerMessage): void;
  /** Returns a function that unsubscribes. The subscription outlives a reconnection. */
  subscribe(pattern: string, queue: string | undefined, subscriber: BrokerSubscriber): () => void;
  /** Calls `done` when the server has processed everything that was sent before; with false if the
   *  connection was lost before. */
  ping(done: (ok: boolean) => void): void;
  close(): void;
}

/** One implementation of the client. */
export interface BrokerEngine {
  /** Calls `done` once, later, unless the returned function is called before. */
  connect(
    options: BrokerOptions,
    events: BrokerEvents,
    done: (error: unknown, link: BrokerLink | null) => void,
  ): () => void;
}
