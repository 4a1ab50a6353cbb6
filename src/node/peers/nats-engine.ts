/** The NATS client of the npm package @nats-io/transport-node, an optional peer dependency. */
import type {
  ConnectionOptions,
  Msg,
  NatsConnection,
  Status,
  Subscription,
} from '@nats-io/transport-node';
import type {
  BrokerEngine,
  BrokerEvents,
  BrokerLink,
  BrokerMessage,
  BrokerOptions,
  BrokerSubscriber,
} from '../../world/broker.ts';
import { requirePeer } from './require-peer.ts';

type Library = typeof import('@nats-io/transport-node');

const PACKAGE = '@nats-io/transport-node';
/** The status of the message that a server sends if a request has no receiver. */
const NO_RESPONDERS = 503;

function load(): Library {
  return requirePeer(PACKAGE, 'natsTopics') as Library;
}

/** The engine of the npm package, which is loaded at its first use. */
export const natsEngine: BrokerEngine = {
  connect(options, events, done) {
    let aborted = false;
    connect(options, events).then(
      (link) => {
        if (aborted) link.close();
        else done(null, link);
      },
      (error: unknown) => {
        if (!aborted) done(error, null);
      },
    );
    return () => {
      aborted = true;
    };
  },
};

async function connect(options: BrokerOptions, events: BrokerEvents): Promise<NatsLink> {
  const library = load();
  const connection = await library.connect(connectionOptions(library, options));
  return new NatsLink(library, connection, events);
}

function connectionOptions(library: Library, options: BrokerOptions): ConnectionOptions {
  const { servers, name, user, password, token, credentials, tls } = options;
  const { timeoutMs = 5000, reconnectDelayMs = 500, pingIntervalMs = 5000 } = options;
  return {
    servers: typeof servers === 'string' ? servers : [...servers],
    ...(name === undefined ? {} : { name }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { pass: password }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined
      ? {}
      : { authenticator: library.credsAuthenticator(Buffer.from(credentials)) }),
    ...(tls === undefined ? {} : { tls: tls === true ? {} : { ...tls } }),
    timeout: timeoutMs,
    reconnectTimeWait: reconnectDelayMs,
    maxReconnectAttempts: -1,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    noAsyncTraces: true,
  };
}

class NatsLink implements BrokerLink {
  readonly #library: Library;
  readonly #connection: NatsConnection;
  readonly #events: BrokerEvents;
  #closed = false;

  constructor(library: Library, connection: NatsConnection, events: BrokerEvents) {
    this.#library = library;
    this.#connection = connection;
    this.#events = events;
    void this.#forwardStatus();
    connection.closed().then((error) => {
      if (!this.#closed) events.closed(error ?? new Error('The NATS client has closed itself'));
    });
  }

  get maxBytes(): number {
    return this.#connection.info?.max_payload ?? Infinity;
  }

  publish({ subject, data, headers, reply }: BrokerMessage): void {
    this.#connection.publish(subject, data, {
      ...(reply === undefined ? {} : { reply }),
      ...(headers === undefined ? {} : { headers: this.#encode(headers) }),
    });
  }

  subscribe(pattern: string, queue: string | undefined, to: BrokerSubscriber): () => void {
    const subscription: Subscription = this.#connection.subscribe(pattern, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error, message) => {
        if (error !== null) to.onDenied(error.message);
        else to.onMessage(decode(message), message.headers?.code === NO_RESPONDERS);
      },
    });
    return () => {
      if (!subscription.isClosed() && !this.#connection.isClosed()) subscription.unsubscribe();
    };
  }

  ping(done: (ok: boolean) => void): void {
    this.#connection.flush().then(
      () => done(true),
      () => done(false),
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close().catch(() => {});
  }

  #encode(headers: Readonly<Record<string, string>>): ReturnType<Library['headers']> {
    const encoded = this.#library.headers();
    for (const [name, value] of Object.entries(headers)) encoded.set(name, value);
    return encoded;
  }

  /** The iterator ends when the connection is closed. */
  async #forwardStatus(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (!this.#closed) this.#forward(status);
    }
  }

  #forward(status: Status): void {
    if (status.type === 'disconnect') return this.#events.disconnected();
    if (status.type === 'reconnect') return this.#events.reconnected();
    if (status.type !== 'error') return;
    const { PermissionViolationError } = this.#library;
    const { error } = status;
    // Subscriptions receive theirs in the callback.
    if (error instanceof PermissionViolationError && error.operation === 'publish') {
      this.#events.denied(error.message);
    }
  }
}

/** The data is copied, because it is a part of a buffer that may be much larger. */
function decode({ subject, data, headers, reply }: Msg): BrokerMessage {
  const pairs = headers === undefined ? [] : [...headers];
  return {
    subject,
    data: Buffer.from(data),
    headers: Object.fromEntries(pairs.map(([name, values]) => [name, values.join(', ')])),
    reply: reply === '' ? undefined : reply,
  };
}
