/**
 * A chat of several gateways over topics, and the check that no message is lost silently. The
 * program runs in simulations and, unchanged, against a real nats-server.
 */
import type { Operation } from 'coronet';
import { group, retry, sleep } from 'coronet';
import type { NatsOptions, TopicSubscription, Topics } from 'coronet/topics';
import { natsTopics } from 'coronet/topics';
import { check, codeOf } from './support.ts';

export const GATEWAYS: readonly string[] = ['anna', 'ben', 'cleo'];

/** The parameters of a chat. */
export interface ChatOptions {
  /** The messages of each gateway, at least. */
  readonly messages: number;
  readonly nats: NatsOptions;
  /** A random whole number from `least` to `most`. */
  integer(least: number, most: number): number;
  /** The pauses of senders and receivers. */
  pauseMs(): number;
  /** Pause before the first message, in which a cluster learns of subscriptions. Default 0. */
  readonly settleMs?: number;
}

/** One message in the stream of a subscriber. The numbers of a gateway survive its crashes. */
export interface Received {
  readonly gateway: string;
  readonly n: number;
}

/** The items that one process of a gateway has received. */
export interface Stream {
  /** The last message of each gateway that may have been published before the subscription. */
  readonly after: ReadonlyMap<string, number>;
  readonly items: (Received | 'gap')[];
}

/** The numbers of messages in streams, after a chat. */
export interface Totals {
  /** Messages that the broker has confirmed. */
  confirmed: number;
  /** Confirmed messages in all streams. */
  received: number;
  /** Confirmed messages that are missing at the place of a gap. */
  covered: number;
  /** Confirmed messages outside of the stream: before its subscription or after its end. */
  outside: number;
  /** Confirmed messages that are missing without a gap. */
  lost: number;
  /** Gaps that were reported. */
  gaps: number;
}

type Fate = Exclude<keyof Totals, 'confirmed' | 'gaps'>;

/** Records of all gateways, which survive their crashes. */
export class ChatJournal {
  /** The number of messages that each gateway has attempted to publish. */
  readonly attempted: Map<string, number> = new Map();
  /** The messages that the broker has confirmed. */
  readonly confirmed: Map<string, Set<number>> = new Map();
  readonly streams: Stream[] = [];
  /** The gateways whose current process has received the last message of every gateway. */
  readonly done: Set<string> = new Set();

  /** The totals of the messages of `gateways`. */
  totals(gateways: readonly string[] = GATEWAYS): Totals {
    const totals: Totals = { confirmed: 0, received: 0, covered: 0, outside: 0, lost: 0, gaps: 0 };
    const published = [...this.confirmed].filter(([gateway]) => gateways.includes(gateway));
    for (const [, { size }] of published) totals.confirmed += size;
    for (const stream of this.streams) {
      totals.gaps += stream.items.filter((item) => item === 'gap').length;
      for (const [gateway, confirmed] of published) {
        for (const n of confirmed) totals[this.#fate(stream, { gateway, n })]++;
      }
    }
    return totals;
  }

  /**
   * Messages of a gateway that were confirmed arrive in their order, so a missing one has its place
   * between two others. Messages that were not confirmed may arrive later.
   */
  #fate({ after, items }: Stream, { gateway, n }: Received): Fate {
    const confirmed = this.confirmed.get(gateway);
    let isCovered = false;
    for (const item of items) {
      if (item === 'gap') isCovered = true;
      else if (item.gateway !== gateway || confirmed?.has(item.n) !== true) continue;
      else if (item.n === n) return 'received';
      else if (item.n < n) isCovered = false;
      else if (n <= (after.get(gateway) ?? 0)) return 'outside';
      else return isCovered ? 'covered' : 'lost';
    }
    return 'outside';
  }
}

/** A chat with real servers, which fail. */
export interface ServerChat {
  /** The messages of each gateway, at least. */
  readonly messages: number;
  /** The number of calls of `disturb`, spread over the messages. */
  readonly faults: number;
  natsOf(gateway: string): NatsOptions;
  disturb(): Operation<void>;
  /** As in ChatOptions. */
  readonly settleMs?: number;
}

/** Runs a chat with real servers until all gateways are done. */
export function* chatWithServers(chat: ServerChat): Operation<ChatJournal> {
  const { messages, faults, natsOf, settleMs = 0 } = chat;
  const journal = new ChatJournal();
  const pauseMs = (): number => randomInteger(0, 3);
  return yield* group(function* (tasks): Operation<ChatJournal> {
    for (const name of GATEWAYS) {
      const options = { messages, nats: natsOf(name), integer: randomInteger, pauseMs, settleMs };
      tasks.spawn(() => gateway(name, journal, options), { daemon: true });
    }
    for (let fault = 1; fault <= faults; fault++) {
      const due = (messages * fault) / (faults + 1);
      while ((journal.attempted.get('anna') ?? 0) <= due) yield* sleep(1);
      yield* chat.disturb();
    }
    while (journal.done.size < GATEWAYS.length) yield* sleep(1);
    return journal;
  });
}

function randomInteger(least: number, most: number): number {
  return least + Math.floor(Math.random() * (most - least + 1));
}

/** The program of one gateway. It runs until it is cancelled. */
export function* gateway(
  name: string,
  journal: ChatJournal,
  options: ChatOptions,
): Operation<void> {
  journal.done.delete(name);
  const open = (): Operation<Topics> => natsTopics(options.nats);
  using topics = yield* retry(open, { times: Infinity, delayMs: 50, maxDelayMs: 200 });
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => send(topics, name, journal, options));
    yield* receive(topics, name, journal, options);
  });
}

function* receive(
  topics: Topics,
  name: string,
  journal: ChatJournal,
  options: ChatOptions,
): Operation<void> {
  using subscription = yield* untilConnected(() =>
    topics.subscribe('chat.*', { capacity: options.integer(2, 50) }),
  );
  const stream: Stream = { after: new Map(journal.attempted), items: [] };
  journal.streams.push(stream);
  const waiting = new Set(GATEWAYS);
  while (waiting.size > 0) {
    const last = yield* receiveOne(subscription, stream);
    if (last !== undefined) waiting.delete(last);
    if (options.integer(1, 5) === 1) yield* sleep(options.pauseMs());
  }
  journal.done.add(name);
}

/** Returns the name of the gateway if the message is its last one. */
function* receiveOne(
  subscription: TopicSubscription,
  stream: Stream,
): Operation<string | undefined> {
  const { done, value } = yield* subscription.next();
  check(done !== true, 'The subscription has ended');
  if (value.gap !== undefined) {
    stream.items.push('gap');
    return undefined;
  }
  const [sender = '', n = '', kind] = String(value.data).split(' ');
  stream.items.push({ gateway: sender, n: Number(n) });
  return kind === 'last' ? sender : undefined;
}

/** Sends the messages, then last messages until it is cancelled. */
function* send(
  topics: Topics,
  name: string,
  journal: ChatJournal,
  options: ChatOptions,
): Operation<never> {
  const { settleMs = 0 } = options;
  if (settleMs > 0) yield* sleep(settleMs);
  let unconfirmed: number[] = [];
  for (let count = 1; ; count++) {
    const kind = count > options.messages ? 'last' : 'message';
    const n = (journal.attempted.get(name) ?? 0) + 1;
    journal.attempted.set(name, n);
    try {
      yield* topics.publish(`chat.${name}`, `${name} ${n} ${kind}`);
      unconfirmed.push(n);
      if (kind === 'last' || options.integer(1, 4) === 1) {
        yield* topics.flush();
        const confirmed = journal.confirmed.get(name) ?? new Set();
        for (const each of unconfirmed.splice(0)) confirmed.add(each);
        journal.confirmed.set(name, confirmed);
      }
    } catch (error) {
      const code = codeOf(error);
      const isExpected = code === 'ERR_PUBLISH_UNCONFIRMED' || code === 'ERR_TOPICS_DISCONNECTED';
      if (!isExpected) throw error;
      unconfirmed = [];
    }
    if (kind === 'last' || options.integer(1, 3) === 1) yield* sleep(options.pauseMs());
  }
}

function* untilConnected<T>(op: () => Operation<T>): Operation<T> {
  for (;;) {
    try {
      return yield* op();
    } catch (error) {
      if (codeOf(error) !== 'ERR_TOPICS_DISCONNECTED') throw error;
    }
  }
}
