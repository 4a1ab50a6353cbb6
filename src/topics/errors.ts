/** The error classes of topics/. */
import { CoronetError } from '../kernel/errors.ts';

/** An operation on topics has failed; `code` is the reason. */
export class TopicsError extends CoronetError {}

/** Messages were published, and the connection was lost before the broker confirmed them. */
export class UnconfirmedError extends TopicsError {
  /** The number of messages that may not have been delivered. */
  readonly messages: number;

  constructor(messages: number) {
    super(
      'ERR_PUBLISH_UNCONFIRMED',
      `The connection to the broker was lost before it confirmed ${messages} messages that were ` +
        'published earlier: they may not have been delivered. This operation has not happened',
    );
    this.messages = messages;
  }
}

export function closedError(cause?: unknown): TopicsError {
  const why = cause === undefined ? '' : `: ${(cause as Error).message}`;
  return new TopicsError('ERR_TOPICS_CLOSED', `The topics are closed${why}`, { cause });
}

export function noResponders(subject: string): TopicsError {
  return new TopicsError('ERR_NO_RESPONDERS', `No subscription receives requests to '${subject}'`);
}
