/**
 * Topics through a NATS server.
 *
 *               disconnected                reconnected, confirmed
 *   connected ───────────────► reconnecting ──────────────────────► connected
 *       │ close, given up           │ close, given up
 *       └───────────► closed ◄──────┘
 *
 * Invariants:
 *  1. Messages are handed to the client only while connected. At most `flushBytes` of them (or one
 *     message) are not confirmed by the server. One ping is in progress while any is not confirmed.
 *  2. What is not confirmed when the connection is lost is counted and reported once, by the next
 *     publish or flush.
 *  3. After a reconnection, every subscription has a gap at its place. It cannot be received before
 *     the server has confirmed the subscriptions, so that nothing is missing after the gap.
 */
import { unsupported } from '../kernel/errors.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking, ParkingQueue } from '../kernel/parking.ts';
import { isCancelled } from '../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { currentNetwork } from '../net/current-world.ts';
import type { MetricsSource } from '../server/health/metrics.ts';
import type {
  BrokerEngine,
  BrokerEvents,
  BrokerLink,
  BrokerMessage,
  BrokerSubscriber,
} from '../world/broker.ts';
import type { MetricDefinitions } from '../world/platform.ts';
import { closedError, TopicsError, UnconfirmedError } from './errors.ts';
import type { MessageParts } from './message.ts';
import { checkPublishOptions, copyData, MessageImpl } from './message.ts';
import { METRICS_PREFIX, TOPICS_METRICS } from './metrics.ts';
import type { NatsOptions } from './options.ts';
import { checkNatsOptions, randomToken } from './options.ts';
import { Requests } from './requests.ts';
import { checkSubject } from './subject.ts';
import type { SubscriptionSource } from './subscription.ts';
import { checkSubscribe, SubscriptionImpl } from './subscription.ts';
import type {
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  TopicMessage,
  TopicSubscription,
  Topics,
  TopicsState,
  TopicsStats,
} from './topics.ts';

/** `natsTopics`; see topics.ts. */
export type NatsTopics = (options: NatsOptions) => Operation<Topics>;

/** `simulated` is the engine in a simulation, `real` the one elsewhere. */
export function makeNatsTopics(real: BrokerEngine, simulated: BrokerEngine): NatsTopics {
  return (options) => {
    checkNatsOptions(options);
    return new Lazy(() => {
      const engine = currentNetwork().backend === 'sim' ? simulated : real;
      return openNatsTopics(engine, options);
    });
  };
}

function* openNatsTopics(engine: BrokerEngine, options: NatsOptions): Generator<Wait, Topics> {
  yield* checkpoint();
  const topics = new BrokerTopics(options, `_INBOX.${randomToken()}`);
  const parking = new Parking('a connection to NATS', { external: true });
  const abort = engine.connect(options, topics, (error, link) => {
    if (link === null) parking.fail(error);
    else parking.wake(link);
  });
  let isSettled = false;
  try {
    const link = yield* park<BrokerLink>(parking);
    isSettled = true;
    topics.start(link);
    return topics;
  } catch (error) {
    if (isCancelled(error)) throw error;
    isSettled = true;
    throw connectError(error, options);
  } finally {
    if (!isSettled) abort();
  }
}

function connectError(cause: unknown, { servers }: NatsOptions): unknown {
  const { code, message } = cause as { code?: unknown; message?: unknown };
  if (code === 'ERR_MISSING_PEER') return cause;
  const text = `Could not connect to NATS at ${[servers].flat().join(', ')}: ${message}`;
  return new TopicsError('ERR_TOPICS_CONNECT', text, { cause });
}

/** Messages and bytes since the beginning. */
interface Count {
  readonly messages: number;
  readonly bytes: number;
}

class BrokerTopics implements Topics, BrokerEvents, MetricsSource, SubscriptionSource {
  readonly metrics: MetricDefinitions = TOPICS_METRICS;
  readonly metricsPrefix: string = METRICS_PREFIX;
  readonly #flushBytes: number;
  readonly #maxDisconnectedMs: number;
  readonly #requests: Requests;
  /** The subscriptions, with the functions that unsubscribe. */
  readonly #subscriptions = new Map<SubscriptionImpl, () => void>();
  /** The tasks that wait for a change of the state or of what is confirmed. */
  readonly #waiters: ParkingQueue = new ParkingQueue();
  #link: BrokerLink | null = null;
  #state: TopicsState = 'connected';
  #cause: unknown;
  /** The number of the connection. */
  #epoch = 0;
  #sent: Count = { messages: 0, bytes: 0 };
  #confirmed: Count = { messages: 0, bytes: 0 };
  #pinging = false;
  #fault: TopicsError | null = null;
  #unconfirmedLost = 0;
  #received = 0;
  #missed = 0;
  #gaps = 0;
  #reconnects = 0;

  constructor({ flushBytes = 2 ** 20, maxDisconnectedMs = 10_000 }: NatsOptions, inbox: string) {
    this.#flushBytes = flushBytes;
    this.#maxDisconnectedMs = maxDisconnectedMs;
    this.#requests = new Requests(inbox);
  }

  start(link: BrokerLink): void {
    this.#link = link;
    link.subscribe(this.#requests.pattern, undefined, {
      onMessage: (message, noResponders) => {
        if (noResponders) this.#requests.reject(message.subject);
        else this.#requests.offer(new MessageImpl(this, message));
      },
      onDenied: (message) => this.denied(message),
    });
  }

  get state(): TopicsState {
    return this.#state;
  }

  // ---- publishing ----

  publish(
    subject: string,
    data: string | Uint8Array,
    options: PublishOptions = {},
  ): Operation<void> {
    checkSubject('subject', subject);
    const headers = checkPublishOptions(options);
    const message = { subject, data: copyData(data), headers };
    return new Lazy(() => this.#publish(message));
  }

  request(
    subject: string,
    data: string | Uint8Array,
    options: RequestOptions,
  ): Operation<TopicMessage> {
    const publish = (request: MessageParts) => new Lazy(() => this.#publish(request));
    return this.#requests.request(subject, data, options, publish);
  }

  *#publish(message: BrokerMessage): Generator<Wait, void> {
    yield* checkpoint();
    const bytes = sizeOf(message);
    this.#throwFault();
    while (!this.#canPublish(bytes)) {
      yield* this.#waitUntil(() => this.#canPublish(bytes), `publish to '${message.subject}'`);
      this.#throwFault();
    }
    const { maxBytes } = this.#openLink;
    if (bytes > maxBytes) throw tooLarge(message.subject, bytes, maxBytes);
    this.#openLink.publish(message);
    this.#sent = { messages: this.#sent.messages + 1, bytes: this.#sent.bytes + bytes };
    this.#confirmSent();
  }

  #canPublish(bytes: number): boolean {
    if (this.#state === 'closed') throw this.#closedError();
    if (this.#state !== 'connected') return false;
    const unconfirmed = this.#sent.bytes - this.#confirmed.bytes;
    return unconfirmed === 0 || unconfirmed + bytes <= this.#flushBytes;
  }

  /** Keeps one ping in progress until everything is confirmed. */
  #confirmSent(): void {
    if (this.#pinging || this.#state !== 'connected') return;
    if (this.#sent.messages === this.#confirmed.messages) return;
    this.#pinging = true;
    this.#ping(() => {
      this.#pinging = false;
      this.#confirmSent();
    });
  }

  /** Calls `done` when the server has processed everything sent before, unless the connection is
   *  lost before. */
  #ping(done: () => void): void {
    const epoch = this.#epoch;
    const sent = this.#sent;
    this.#openLink.ping((ok) => {
      if (!ok || epoch !== this.#epoch || this.#state === 'closed') return;
      if (sent.messages > this.#confirmed.messages) this.#confirmed = sent;
      done();
      this.#notify();
    });
  }

  flush(): Operation<void> {
    return new Lazy(() => this.#flush());
  }

  *#flush(): Generator<Wait, void> {
    yield* checkpoint();
    this.#throwFault();
    yield* this.#roundTrip('flush');
    this.#throwFault();
  }

  /** Waits until the server has processed everything that was sent before. */
  *#roundTrip(what: string): Generator<Wait, void> {
    yield* this.#waitUntil(() => this.#isConnected(), what);
    let answered = false;
    const epoch = this.#epoch;
    this.#ping(() => {
      answered = true;
    });
    // A reconnection is confirmed by a round trip of its own.
    const isOver = () => answered || (this.#isConnected() && epoch !== this.#epoch);
    yield* this.#waitUntil(isOver, what);
  }

  /** Throws the error of an earlier message, once. */
  #throwFault(): void {
    const fault = this.#fault;
    this.#fault = null;
    if (fault !== null) throw fault;
  }

  // ---- subscribing ----

  subscribe(pattern: string, options: SubscribeOptions = {}): Operation<TopicSubscription> {
    checkSubscribe(pattern, options);
    if (options.slow === 'wait') {
      throw unsupported(
        `A subscription through a broker`,
        `have \`slow: 'wait'\``,
        "A NATS server cuts slow clients instead of waiting for them. Use 'drop-oldest', " +
          "'drop-newest' or 'fail'.",
      );
    }
    return new Lazy(() => this.#subscribe(pattern, options));
  }

  *#subscribe(pattern: string, options: SubscribeOptions): Generator<Wait, TopicSubscription> {
    yield* checkpoint();
    const what = `subscribe to '${pattern}'`;
    yield* this.#waitUntil(() => this.#isConnected(), what);
    const subscription = new SubscriptionImpl(this, pattern, options);
    const unsubscribe = this.#openLink.subscribe(pattern, options.queue, this.#feed(subscription));
    this.#subscriptions.set(subscription, unsubscribe);
    let isConfirmed = false;
    try {
      yield* this.#roundTrip(what);
      if (subscription.failure !== null) throw subscription.failure;
      isConfirmed = true;
    } finally {
      if (!isConfirmed) subscription.close();
    }
    return subscription;
  }

  #feed(subscription: SubscriptionImpl): BrokerSubscriber {
    return {
      onMessage: (message) => subscription.offer(new MessageImpl(this, message)),
      onDenied: (message) => {
        this.#subscriptions.delete(subscription);
        subscription.end(deniedError(message));
      },
    };
  }

  unsubscribed(subscription: SubscriptionImpl): void {
    const unsubscribe = this.#subscriptions.get(subscription);
    this.#subscriptions.delete(subscription);
    unsubscribe?.();
  }

  messageTaken(): void {
    this.#received++;
  }

  messageMissed(): void {
    this.#missed++;
  }

  gapReported(): void {
    this.#gaps++;
  }

  /** No publisher waits for a subscription. */
  spaceFreed(): void {}

  // ---- waiting ----

  #isConnected(): boolean {
    if (this.#state === 'closed') throw this.#closedError();
    return this.#state === 'connected';
  }

  *#waitUntil(holds: () => boolean, what: string): Generator<Wait, void> {
    if (holds()) return;
    const limitMs = this.#maxDisconnectedMs;
    const held = yield* moveOnAfter(limitMs, () => this.#waitForChanges(holds, what));
    if (held === true) return;
    const text = `${what}: the NATS server has not responded for ${limitMs} ms`;
    throw new TopicsError('ERR_TOPICS_DISCONNECTED', text);
  }

  *#waitForChanges(holds: () => boolean, what: string): Generator<Wait, true> {
    while (!holds()) {
      const parking = new Parking(what, { external: true });
      this.#waiters.push(parking);
      yield* park(parking);
    }
    return true;
  }

  #notify(): void {
    while (this.#waiters.first !== null) this.#waiters.first.wake();
  }

  // ---- events of the connection ----

  disconnected(): void {
    if (this.#state === 'closed') return;
    this.#state = 'reconnecting';
    this.#loseUnconfirmed();
    this.#notify();
  }

  #loseUnconfirmed(): void {
    this.#epoch++;
    this.#pinging = false;
    const lost = this.#sent.messages - this.#confirmed.messages;
    this.#confirmed = this.#sent;
    if (lost === 0) return;
    this.#unconfirmedLost += lost;
    const before = this.#fault instanceof UnconfirmedError ? this.#fault.messages : 0;
    this.#fault = new UnconfirmedError(before + lost);
  }

  reconnected(): void {
    if (this.#state === 'closed') return;
    const subscriptions = [...this.#subscriptions.keys()];
    for (const subscription of subscriptions) {
      subscription.hold();
      subscription.reportGap({ gap: 'reconnected' });
    }
    this.#ping(() => {
      this.#state = 'connected';
      this.#reconnects++;
      for (const subscription of subscriptions) subscription.release();
    });
  }

  denied(message: string): void {
    this.#fault ??= deniedError(message);
    this.#notify();
  }

  closed(error: unknown): void {
    if (this.#state === 'closed') return;
    this.#cause = error;
    this.#end(this.#closedError());
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#end(null);
    this.#openLink.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #end(failure: TopicsError | null): void {
    this.#state = 'closed';
    this.#loseUnconfirmed();
    for (const subscription of this.#subscriptions.keys()) subscription.end(failure);
    this.#subscriptions.clear();
    this.#requests.end(() => this.#closedError());
    this.#notify();
  }

  stats(): TopicsStats {
    return Object.freeze({
      state: this.#state,
      connected: this.#state === 'connected' ? 1 : 0,
      published: this.#sent.messages,
      publishedBytes: this.#sent.bytes,
      unconfirmed: this.#sent.messages - this.#confirmed.messages,
      unconfirmedLost: this.#unconfirmedLost,
      received: this.#received,
      missed: this.#missed,
      gaps: this.#gaps,
      reconnects: this.#reconnects,
      subscriptions: this.#subscriptions.size,
    });
  }

  get #openLink(): BrokerLink {
    return this.#link as BrokerLink;
  }

  #closedError(): TopicsError {
    return closedError(this.#cause);
  }
}

function sizeOf({ data, headers }: BrokerMessage): number {
  if (headers === undefined) return data.length;
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return data.length + Buffer.byteLength(`NATS/1.0\r\n${lines.join('')}\r\n`);
}

function tooLarge(subject: string, bytes: number, maxBytes: number): TopicsError {
  const text = `A message to '${subject}' has ${bytes} bytes, the server permits ${maxBytes}`;
  return new TopicsError('ERR_MESSAGE_TOO_LARGE', text);
}

function deniedError(message: string): TopicsError {
  return new TopicsError('ERR_TOPICS_DENIED', `The NATS server has denied access: ${message}`);
}
