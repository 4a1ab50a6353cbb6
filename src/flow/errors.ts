/** The errors of the flow room: classes, codes, and their entries for the catalogue. */

import { ClosedError, CoronetError, TaskCancelledError } from '../kernel/errors.ts';

/** The channel is closed: nothing more can be sent, or all that was sent has been received. */
export class ChannelClosedError extends ClosedError {
  constructor(what: string) {
    super('ERR_CHANNEL_CLOSED', `The ${what} is closed`);
  }
}

/** The broadcast is closed: nothing more can be sent. */
export class BroadcastClosedError extends ClosedError {
  constructor(what: string) {
    super('ERR_BROADCAST_CLOSED', `The ${what} is closed`);
  }
}

/** A subscription whose broadcast says `slow: 'fail'` has missed an item. */
export class SlowSubscriberError extends CoronetError {
  constructor(what: string, capacity: number) {
    super(
      'ERR_SUBSCRIBER_SLOW',
      `This subscription of the ${what} was ended: ${capacity} items waited in it when the next ` +
        'one was sent. Receive faster, give it more capacity, or choose another `slow`.',
    );
  }
}

/** A lock or a permit is used by a task that does not hold it, or taken again by one that does. */
export class OwnerError extends CoronetError {}

/** A task ended while it held a lock or a permit. */
export class AbandonedError extends CoronetError {}

/** What `coronet explain` says about the codes of this room. */

/** The errors of `all`, `allSettled`, `any`, `race` and `map`. */

/** Every member of an `any` has failed: `errors` in the order of the members, as in Promise.any. */
export class AllFailedError extends AggregateError {
  readonly code = 'ERR_ALL_FAILED';

  constructor(errors: readonly unknown[], failures: readonly string[]) {
    const list = failures.length === 0 ? 'there was none' : failures.join('; ');
    super(errors, `No operation of any() gave a value: ${list}`);
    this.name = 'AllFailedError';
  }
}

/** What a member counts as that was cancelled by itself: the same as `join` of it would throw. */
export function memberCancelled(name: string, thrown: unknown): TaskCancelledError {
  const text = `Task '${name}' was cancelled`;
  return new TaskCancelledError('ERR_TASK_CANCELLED', text, { cause: thrown });
}

/** What `coronet explain` says about the codes of the combinators. */
