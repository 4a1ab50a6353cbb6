/** Messages, and the checks of what a program publishes. */
import type { Operation } from '../kernel/operation.ts';
import { checkData } from '../net/bytes.ts';
import type { Keys } from '../support/checks.ts';
import { checkKeys, outOfRange, wrongType } from '../support/checks.ts';
import { TopicsError } from './errors.ts';
import type { PublishOptions, TopicHeaders, TopicMessage } from './topics.ts';

const PUBLISH_KEYS: Keys<PublishOptions> = { headers: true };

/** Headers of a message without headers. */
const NO_HEADERS: TopicHeaders = Object.freeze({});

/** The parts of a message. */
export interface MessageParts {
  readonly subject: string;
  readonly data: Buffer;
  readonly headers?: TopicHeaders | undefined;
  /** The subject for a response. */
  readonly reply?: string | undefined;
}

/** The topics that a message came from. */
export interface Publisher {
  publish(subject: string, data: string | Uint8Array, options?: PublishOptions): Operation<void>;
}

export class MessageImpl implements TopicMessage {
  declare readonly gap?: undefined;
  readonly subject: string;
  readonly data: Buffer;
  readonly headers: TopicHeaders;
  readonly reply: string | undefined;
  readonly #topics: Publisher;

  constructor(topics: Publisher, { subject, data, headers = NO_HEADERS, reply }: MessageParts) {
    this.#topics = topics;
    this.subject = subject;
    this.data = data;
    this.headers = headers;
    this.reply = reply;
  }

  respond(data: string | Uint8Array, options?: PublishOptions): Operation<void> {
    if (this.reply === undefined) {
      throw new TopicsError(
        'ERR_NO_REPLY_SUBJECT',
        `The message to '${this.subject}' is not a request: it has no \`reply\` subject`,
      );
    }
    return this.#topics.publish(this.reply, data, options);
  }
}

/** A copy of `data`: a program may change its memory after `publish`. */
export function copyData(data: string | Uint8Array): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  checkData('data', data);
  return Buffer.from(data);
}

/** Throws for invalid options of `publish`. Returns a copy of the headers. */
export function checkPublishOptions(options: PublishOptions): TopicHeaders | undefined {
  checkKeys('options', options, PUBLISH_KEYS);
  return copyHeaders(options.headers);
}

export function copyHeaders(headers: TopicHeaders | undefined): TopicHeaders | undefined {
  if (headers === undefined) return undefined;
  if (typeof headers !== 'object' || headers === null)
    throw wrongType('options.headers', 'an object', headers);
  const copy: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    // RFC 9110, section 5.1, without the restriction to token characters, as in NATS.
    if (!/^[!-9;-~]+$/.test(name)) {
      throw outOfRange('options.headers', 'names of printable characters, without ":"', name);
    }
    if (typeof value !== 'string') throw wrongType(`options.headers.${name}`, 'a string', value);
    if (/[\r\n\0]/.test(value) || value !== value.trim()) {
      const expected = 'one line without spaces at its ends';
      throw outOfRange(`options.headers.${name}`, expected, value);
    }
    copy[name] = value;
  }
  return Object.freeze(copy);
}
