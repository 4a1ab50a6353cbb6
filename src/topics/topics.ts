/** The interface of topics, which local and NATS topics share. Types only. */
import type { SlowPolicy } from '../flow/subscription.ts';
import type { Selectable } from '../kernel/case.ts';
import type { Operation } from '../kernel/operation.ts';

/** Headers of a message: names without colons and spaces, values of one line. */
export type TopicHeaders = Readonly<Record<string, string>>;

/** Options of `publish` and of `message.respond`. */
export interface PublishOptions {
  readonly headers?: TopicHeaders;
}

/** Options of `request`. */
export interface RequestOptions extends PublishOptions {
  /** The time limit in milliseconds, from the call to the reply. */
  readonly timeoutMs: number;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** The number of messages that the subscription buffers. Default 256. */
  readonly capacity?: number;
  /**
   * The behaviour when the buffer is full: 'drop-oldest' (default) and 'drop-newest' report a gap,
   * 'fail' ends the subscription, 'wait' makes publishers wait (local topics only).
   */
  readonly slow?: SlowPolicy;
  /** A queue group: each message goes to one of the subscriptions with the same `queue`. */
  readonly queue?: string;
}

/** A message that was published to a subject. Its subscriptions share `data`: do not change it. */
export interface TopicMessage {
  /** Absent: distinguishes a message from a gap. */
  readonly gap?: undefined;
  readonly subject: string;
  readonly data: Buffer;
  readonly headers: TopicHeaders;
  /** The subject for a response, if the message is a request. */
  readonly reply: string | undefined;
  /** Publishes a response. Cancel, Errors: as `publish`; ERR_NO_REPLY_SUBJECT. */
  respond(data: string | Uint8Array, options?: PublishOptions): Operation<void>;
}

/** A place in the stream of a subscription at which messages may be missing. */
export interface TopicGap {
  /**
   * 'reconnected': the connection to the broker was lost and is restored. 'slow': the buffer of the
   * subscription was full.
   */
  readonly gap: 'reconnected' | 'slow';
  /** The number of missing messages; absent if it is not known. */
  readonly missed?: number;
}

/** An item of a subscription: a message, or a gap between messages. */
export type TopicItem = TopicMessage | TopicGap;

/** The state and counters of a subscription. */
export interface TopicSubscriptionStats {
  readonly pattern: string;
  readonly queue: string | undefined;
  /** Messages in the buffer. */
  readonly buffered: number;
  readonly received: number;
  /** Messages that were dropped because the buffer was full. */
  readonly missed: number;
  /** Gaps that were reported. */
  readonly gaps: number;
  readonly closed: boolean;
}

/**
 * Receives the messages whose subjects match a pattern. It is closed when the task that subscribed
 * and the last task that called `next()` have both ended.
 */
export interface TopicSubscription extends Disposable {
  readonly pattern: string;
  /**
   * Receives the next message or gap as an IteratorResult: `{ done: true }` once the subscription
   * is closed, or the topics are closed and the buffer is empty.
   * Cancel: no item is lost.
   * Errors: ERR_SUBSCRIBER_SLOW with `slow: 'fail'`, ERR_TOPICS_DENIED, ERR_TOPICS_CLOSED if the
   * connection was lost for good; all of them after the buffered items.
   */
  next(): Selectable<IteratorResult<TopicItem, undefined>>;
  /** Unsubscribes and drops the buffered messages. Idempotent. */
  close(): void;
  stats(): TopicSubscriptionStats;
}

/** The state of the connection. Local topics are connected until they are closed. */
export type TopicsState = 'connected' | 'reconnecting' | 'closed';

/** The state and counters of topics. */
export interface TopicsStats {
  readonly state: TopicsState;
  /** 1 while connected, otherwise 0: for metrics, which consist of numbers. */
  readonly connected: number;
  readonly published: number;
  readonly publishedBytes: number;
  /** Published messages that the broker has not confirmed yet. */
  readonly unconfirmed: number;
  /** Published messages that the broker had not confirmed when the connection was lost. */
  readonly unconfirmedLost: number;
  /** Messages that subscriptions have taken. */
  readonly received: number;
  /** Messages that subscriptions dropped because their buffers were full. */
  readonly missed: number;
  /** Gaps that subscriptions have reported. */
  readonly gaps: number;
  readonly reconnects: number;
  readonly subscriptions: number;
}

/** Publishes messages and subscribes to them: in this process, or through a broker. */
export interface Topics extends Disposable {
  readonly state: TopicsState;
  /**
   * Publishes to a subject. `data` is copied; a string is sent as UTF-8. With a broker, it returns
   * as soon as the message is handed over, and waits while `flushBytes` are not confirmed or the
   * connection is lost. Local topics deliver at once; `publish` waits while a subscription with
   * `slow: 'wait'` is full.
   * Cancel: the message was not published.
   * Errors: ERR_TOPICS_CLOSED; ERR_TOPICS_DISCONNECTED when the wait exceeds `maxDisconnectedMs`;
   * ERR_PUBLISH_UNCONFIRMED once after a connection was lost with unconfirmed messages, and
   * ERR_TOPICS_DENIED for an earlier message: in both cases this message was not published;
   * ERR_MESSAGE_TOO_LARGE; TypeError, RangeError.
   */
  publish(subject: string, data: string | Uint8Array, options?: PublishOptions): Operation<void>;
  /**
   * Subscribes to the subjects that match `pattern`: `*` is one token, `>` at the end one or more.
   * After it has returned, the subscription receives every message, or reports a gap. In a cluster
   * of brokers, that begins when all of them know the subscription, which is not observable.
   * Cancel: nothing is subscribed. Errors: as `publish`; ERR_UNSUPPORTED for `slow: 'wait'` with a
   * broker.
   */
  subscribe(pattern: string, options?: SubscribeOptions): Operation<TopicSubscription>;
  /**
   * Publishes a request and waits for the first response.
   * Cancel: the wait ends; the request may have been received.
   * Errors: as `publish`; ERR_TIMEOUT; ERR_NO_RESPONDERS if no subscription matches.
   */
  request(
    subject: string,
    data: string | Uint8Array,
    options: RequestOptions,
  ): Operation<TopicMessage>;
  /**
   * Waits until the broker has confirmed everything that was published before.
   * Cancel: no effect. Errors: as `publish`.
   */
  flush(): Operation<void>;
  stats(): TopicsStats;
  /** Closes the connection and ends the subscriptions after their buffered items. Idempotent. */
  close(): void;
}
