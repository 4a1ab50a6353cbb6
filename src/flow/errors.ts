/** The error classes of flow/. */
import { ClosedError, CoronetError } from '../kernel/errors.ts';
import { briefList, clip, firstLine } from '../support/checks.ts';

/** A send on a closed channel, or a receive from a closed and drained one. */
export class ChannelClosedError extends ClosedError {
  constructor(title: string) {
    super('ERR_CHANNEL_CLOSED', `The ${title} is closed`);
  }
}

/** A send on a closed broadcast. */
export class BroadcastClosedError extends ClosedError {
  constructor(title: string) {
    super('ERR_BROADCAST_CLOSED', `The ${title} is closed`);
  }
}

/** A subscription of a broadcast with `slow: 'fail'` has missed an item. */
export class SlowSubscriberError extends CoronetError {
  constructor(title: string, capacity: number) {
    super(
      'ERR_SUBSCRIBER_SLOW',
      `This subscription of the ${title} has ended: its buffer of ${capacity} items was full ` +
        'when the next item was sent. Receive faster, increase `capacity`, or choose another ' +
        '`slow`.',
    );
  }
}

/** A task released a lock or permit that it does not hold, or would wait for one that it holds. */
export class OwnerError extends CoronetError {}

/** A task ended while it held a lock or a permit. */
export class AbandonedError extends CoronetError {}

/** Every member of an `any` has failed. `errors` is in the order of the members. */
export class AllFailedError extends AggregateError {
  readonly code = 'ERR_ALL_FAILED';

  /** `failures` has the name of each member that failed, such as "[0]", and its error. */
  constructor(failures: readonly (readonly [name: string, error: unknown])[]) {
    const list = briefList(failures, ([name, error]) => `${clip(name)} ${firstLine(error)}`);
    super(
      failures.map(([, error]) => error),
      `No operation of any() returned a value: ${list === '' ? 'there was none' : list}`,
    );
    this.name = 'AllFailedError';
  }
}
