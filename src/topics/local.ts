/** Topics within this process. Messages are delivered in the step that publishes them. */
import { failAll, WaitingOperation } from '../flow/wait-queue.ts';
import type { Waiter } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { ParkingQueue } from '../kernel/parking.ts';
import { checkpoint } from '../kernel/waits.ts';
import type { MetricsSource } from '../server/health/metrics.ts';
import type { MetricDefinitions } from '../world/platform.ts';
import { closedError, noResponders } from './errors.ts';
import { checkPublishOptions, copyData, MessageImpl } from './message.ts';
import { METRICS_PREFIX, TOPICS_METRICS } from './metrics.ts';
import { Requests } from './requests.ts';
import { checkSubject, SubjectTree } from './subject.ts';
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

/**
 * Opens topics within this process. They exist until `close()`, or until the `using` block ends:
 * pass them to the tasks that publish and subscribe. Each call opens topics of its own.
 *
 * Cancel: nothing is opened. Errors: none.
 *
 * @example
 * using topics = yield* localTopics();
 * using news = yield* topics.subscribe('news.*', { capacity: 100, slow: 'drop-oldest' });
 * yield* topics.publish('news.sport', 'Goal!');
 * const { value } = yield* news.next();
 */
export function localTopics(): Operation<Topics> {
  return new Lazy(openLocalTopics);
}

function* openLocalTopics(): Generator<Wait, Topics> {
  yield* checkpoint();
  return new LocalTopics();
}

/** A receiver of messages. */
interface Target {
  readonly queue?: string | undefined;
  /** True: a publisher has to wait. */
  readonly blocks: boolean;
  offer(message: TopicMessage): void;
}

class LocalTopics implements Topics, MetricsSource, SubscriptionSource {
  readonly metrics: MetricDefinitions = TOPICS_METRICS;
  readonly metricsPrefix: string = METRICS_PREFIX;
  readonly publishers: ParkingQueue<Waiter> = new ParkingQueue();
  readonly #tree = new SubjectTree<Target>();
  readonly #subscriptions = new Map<SubscriptionImpl, Target>();
  readonly #requests = new Requests('_INBOX');
  #closed = false;
  #published = 0;
  #publishedBytes = 0;
  #received = 0;
  #missed = 0;
  #gaps = 0;

  constructor() {
    const inbox: Target = { blocks: false, offer: (message) => this.#requests.offer(message) };
    this.#tree.add(this.#requests.pattern, inbox);
  }

  get state(): TopicsState {
    return this.#closed ? 'closed' : 'connected';
  }

  publish(
    subject: string,
    data: string | Uint8Array,
    options: PublishOptions = {},
  ): Operation<void> {
    checkSubject('subject', subject);
    const headers = checkPublishOptions(options);
    return new Publish(this, new MessageImpl(this, { subject, data: copyData(data), headers }));
  }

  request(
    subject: string,
    data: string | Uint8Array,
    options: RequestOptions,
  ): Operation<TopicMessage> {
    return this.#requests.request(subject, data, options, (request) => {
      const hasReceiver = this.#closed || this.#tree.match(subject).length > 0;
      if (!hasReceiver) throw noResponders(subject);
      return new Publish(this, new MessageImpl(this, request));
    });
  }

  subscribe(pattern: string, options: SubscribeOptions = {}): Operation<TopicSubscription> {
    checkSubscribe(pattern, options);
    return new Lazy(() => this.#subscribe(pattern, options));
  }

  *#subscribe(pattern: string, options: SubscribeOptions): Generator<Wait, TopicSubscription> {
    yield* checkpoint();
    if (this.#closed) throw closedError();
    const subscription = new SubscriptionImpl(this, pattern, options);
    const target: Target = {
      queue: options.queue,
      get blocks() {
        return subscription.slow === 'wait' && subscription.full;
      },
      offer: (message) => subscription.offer(message),
    };
    this.#subscriptions.set(subscription, target);
    this.#tree.add(pattern, target);
    return subscription;
  }

  flush(): Operation<void> {
    return new Lazy(() => this.#flush());
  }

  *#flush(): Generator<Wait, void> {
    yield* checkpoint();
    if (this.#closed) throw closedError();
  }

  stats(): TopicsStats {
    return Object.freeze({
      state: this.state,
      connected: this.#closed ? 0 : 1,
      published: this.#published,
      publishedBytes: this.#publishedBytes,
      unconfirmed: 0,
      unconfirmedLost: 0,
      received: this.#received,
      missed: this.#missed,
      gaps: this.#gaps,
      reconnects: 0,
      subscriptions: this.#subscriptions.size,
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    failAll(this.publishers, () => closedError());
    this.#requests.end(() => closedError());
    for (const subscription of this.#subscriptions.keys()) subscription.end();
    this.#subscriptions.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // ---- publishing ----

  /** Delivers `message` if no receiver blocks. Returns false otherwise. */
  tryPublish(message: TopicMessage): boolean {
    if (this.#closed) throw closedError();
    const targets = this.#receiversOf(message.subject);
    if (targets.some(({ blocks }) => blocks)) return false;
    this.#published++;
    this.#publishedBytes += message.data.length;
    for (const target of targets) target.offer(message);
    return true;
  }

  /** Every matching target without a queue group, and one of each group: one that does not block,
   *  if there is one, in turns. */
  #receiversOf(subject: string): Target[] {
    const groups = new Map<string, Target[]>();
    const found: Target[] = [];
    for (const target of this.#tree.match(subject)) {
      if (target.queue === undefined) found.push(target);
      else if (groups.get(target.queue)?.push(target) === undefined)
        groups.set(target.queue, [target]);
    }
    for (const members of groups.values()) {
      const free = members.filter(({ blocks }) => !blocks);
      const candidates = free.length > 0 ? free : members;
      found.push(candidates[this.#published % candidates.length] as Target);
    }
    return found;
  }

  /** Publishes for the tasks whose receivers no longer block, in the order of their calls. */
  spaceFreed(): void {
    if (this.#closed) return;
    for (const waiter of [...waitersOf(this.publishers)]) {
      // A waiter leaves the queue when another case of its select is carried out.
      if (waiter.queue !== this.publishers || waiter.stale) continue;
      const { message } = waiter.request as Publish;
      if (this.tryPublish(message)) waiter.wake();
    }
  }

  unsubscribed(subscription: SubscriptionImpl): void {
    const target = this.#subscriptions.get(subscription);
    if (target === undefined) return;
    this.#subscriptions.delete(subscription);
    this.#tree.delete(subscription.pattern, target);
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
}

function* waitersOf(queue: ParkingQueue<Waiter>): Iterable<Waiter> {
  for (let at = queue.first; at !== null; at = at.nextInQueue as Waiter | null) yield at;
}

class Publish extends WaitingOperation<void> {
  readonly #topics: LocalTopics;
  readonly message: TopicMessage;

  constructor(topics: LocalTopics, message: TopicMessage) {
    super(topics.publishers);
    this.#topics = topics;
    this.message = message;
  }

  attempt(): undefined | typeof WOULD_WAIT {
    return this.#topics.tryPublish(this.message) ? undefined : WOULD_WAIT;
  }

  override describe(): string {
    return `publish to '${this.message.subject}'`;
  }
}
