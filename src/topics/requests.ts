/** The requests that wait for a response. One subscription receives the responses of all. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { timeout } from '../kernel/scope/with-scope.ts';
import { park } from '../kernel/waits.ts';
import type { Keys } from '../support/checks.ts';
import { checkDuration, checkKeys } from '../support/checks.ts';
import { noResponders } from './errors.ts';
import type { MessageParts } from './message.ts';
import { copyData, copyHeaders } from './message.ts';
import { checkSubject } from './subject.ts';
import type { RequestOptions, TopicMessage } from './topics.ts';

const REQUEST_KEYS: Keys<RequestOptions> = { headers: true, timeoutMs: true };

/** Publishes a request. */
export type PublishRequest = (request: MessageParts) => Operation<void>;

export class Requests {
  /** The pattern that the responses match. */
  readonly pattern: string;
  readonly #inbox: string;
  readonly #pending = new Map<string, { readonly subject: string; readonly parking: Parking }>();
  #count = 0;

  /** `inbox` is a subject of this program alone. */
  constructor(inbox: string) {
    this.#inbox = inbox;
    this.pattern = `${inbox}.*`;
  }

  request(
    subject: string,
    data: string | Uint8Array,
    options: RequestOptions,
    publish: PublishRequest,
  ): Operation<TopicMessage> {
    checkSubject('subject', subject);
    checkKeys('options', options, REQUEST_KEYS);
    checkDuration('options.timeoutMs', options.timeoutMs);
    const reply = `${this.#inbox}.${++this.#count}`;
    const request = {
      subject,
      data: copyData(data),
      headers: copyHeaders(options.headers),
      reply,
    };
    return timeout(options.timeoutMs, () => this.#exchange(request, publish));
  }

  *#exchange(
    request: MessageParts & { readonly reply: string },
    publish: PublishRequest,
  ): Generator<Wait, TopicMessage> {
    const { subject, reply } = request;
    const parking = new Parking(`response to '${subject}'`);
    this.#pending.set(reply, { subject, parking });
    try {
      yield* publish(request);
      return yield* park<TopicMessage>(parking);
    } finally {
      this.#pending.delete(reply);
    }
  }

  /** A response has arrived. Responses after the first one are dropped. */
  offer(message: TopicMessage): void {
    this.#pending.get(message.subject)?.parking.wake(message);
  }

  /** No subscription has received the request. */
  reject(reply: string): void {
    const pending = this.#pending.get(reply);
    pending?.parking.fail(noResponders(pending.subject));
  }

  end(error: () => Error): void {
    for (const { parking } of this.#pending.values()) parking.fail(error());
  }
}
