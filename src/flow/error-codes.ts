/** The codes of flow/ in the catalogue of error codes. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const FLOW_ERRORS: Catalogue = {
  ERR_CHANNEL_CLOSED: {
    className: 'ChannelClosedError',
    sentence: 'The channel is closed; a receive throws it once the channel is drained, too.',
    cause: 'A task goes on sending or receiving after `channel.close()`.',
    remedy: 'Let the sender close the channel, and receive with `next()`, which tells the end.',
  },
  ERR_BROADCAST_CLOSED: {
    className: 'BroadcastClosedError',
    sentence: 'The broadcast is closed and takes no more items.',
    cause: 'A task goes on sending after `broadcast.close()`.',
    remedy: 'Close a broadcast where its last item is sent.',
  },
  ERR_SUBSCRIBER_SLOW: {
    className: 'SlowSubscriberError',
    sentence: "The subscription missed an item, and its broadcast says `slow: 'fail'`.",
    cause: 'The subscriber receives more slowly than the senders send.',
    remedy: 'Subscribe again, give more capacity, or choose another policy for slow subscribers.',
  },
  ERR_NOT_OWNER: {
    className: 'OwnerError',
    sentence: 'A task gave back a lock or a permit that it does not hold.',
    cause: '`release()` was called twice, or by another task than the one that acquired.',
    remedy:
      'Use `with(op)`, which acquires and releases in one task; or use an Event or a Channel.',
  },
  ERR_ALREADY_OWNER: {
    className: 'OwnerError',
    sentence: 'A task would have to wait for what it holds itself.',
    cause: 'A function that runs under the lock calls another one that takes the same lock.',
    remedy: 'Take the lock once, at the outermost place; locks are not re-entrant.',
  },
  ERR_LOCK_ABANDONED: {
    className: 'AbandonedError',
    sentence: 'The task that held the lock ended without releasing it.',
    cause: '`acquire()` without a `finally` that releases.',
    remedy: 'Use `lock.with(op)`. What the lock protects may be half-changed: make both anew.',
  },
  ERR_PERMIT_ABANDONED: {
    className: 'AbandonedError',
    sentence: 'A task ended while it held permits of a semaphore; they were given back for it.',
    cause: '`acquire()` without a `finally` that releases.',
    remedy: 'Use `semaphore.with(op)`.',
  },
  ERR_ALL_FAILED: {
    className: 'AllFailedError',
    sentence: 'None of the operations of `any` gave a value; `errors` holds what each one threw.',
    cause: 'Every alternative failed, or `any` was given none.',
    remedy: 'Look at `error.errors`: they are in the order of the operations.',
  },
};
