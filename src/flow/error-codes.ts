/** The codes of flow/ in the catalogue of error codes. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const FLOW_ERRORS: Catalogue = {
  ERR_CHANNEL_CLOSED: {
    className: 'ChannelClosedError',
    sentence: 'The channel is closed. A receive throws this once the channel is drained.',
    cause: 'A task sends or receives after `channel.close()`.',
    remedy: 'Close the channel in the sender, and receive with `next()`, which reports the end.',
  },
  ERR_BROADCAST_CLOSED: {
    className: 'BroadcastClosedError',
    sentence: 'The broadcast is closed and takes no more items.',
    cause: 'A task sends after `broadcast.close()`.',
    remedy: 'Close the broadcast in the task that sends its last item.',
  },
  ERR_SUBSCRIBER_SLOW: {
    className: 'SlowSubscriberError',
    sentence: "The subscription of a broadcast with `slow: 'fail'` has missed an item.",
    cause: 'The subscriber receives more slowly than the senders send.',
    remedy: 'Subscribe again, increase `capacity`, or choose another policy for `slow`.',
  },
  ERR_NOT_OWNER: {
    className: 'OwnerError',
    sentence: 'A task released a lock or a permit that it does not hold.',
    cause: '`release()` was called twice, or by another task than the one that acquired.',
    remedy:
      'Use `with(op)`, which acquires and releases in one task; or use an Event or a Channel.',
  },
  ERR_ALREADY_OWNER: {
    className: 'OwnerError',
    sentence: 'A task would wait for a lock or a permit that it holds itself.',
    cause: 'A function that runs under the lock calls another one that acquires the same lock.',
    remedy: 'Acquire the lock once, in the outermost function. Locks are not re-entrant.',
    look: {
      text: 'The task tree lists each lock with its holder and its waiters.',
      section: 'inspect.md#the-task-tree',
    },
  },
  ERR_LOCK_ABANDONED: {
    className: 'AbandonedError',
    sentence: 'The task that held the lock ended without releasing it.',
    cause: '`acquire()` without a `finally` that releases.',
    remedy:
      'Use `lock.with(op)`. The protected state may be inconsistent: replace it and the lock.',
    look: {
      text: 'The task tree lists each lock with its holder and its waiters.',
      section: 'inspect.md#the-task-tree',
    },
  },
  ERR_PERMIT_ABANDONED: {
    className: 'AbandonedError',
    sentence: 'A task ended while it held permits of a semaphore. The permits were released.',
    cause: '`acquire()` without a `finally` that releases.',
    remedy: 'Use `semaphore.with(op)`.',
  },
  ERR_ALL_FAILED: {
    className: 'AllFailedError',
    sentence: 'No operation of `any` returned a value. `errors` holds their errors.',
    cause: 'Every operation failed, or `any` was called without operations.',
    remedy: 'Examine `error.errors`, which is in the order of the operations.',
  },
};
