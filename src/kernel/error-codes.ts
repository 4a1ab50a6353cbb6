/** The kernel's part of the catalogue of error codes. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const KERNEL_ERRORS: Catalogue = {
  ERR_ALREADY_DRIVEN: {
    className: 'UsageError',
    sentence: 'An operation was driven a second time.',
    cause: 'An operation object was kept and `yield*`-ed twice, for example in a loop.',
    remedy: 'Make a new one for each `yield*`, or keep a function that makes one.',
  },
  ERR_BUSY: {
    className: 'BusyError',
    sentence: 'A second task used what one task at a time may use. The first is untouched.',
    cause: 'Two tasks receive from, send to or accept on the same socket at the same time.',
    remedy: 'Let one task own each direction, or take a Lock around the exchange.',
  },
  ERR_CLOSED: {
    className: 'ClosedError',
    sentence: 'The resource was closed by this program.',
    cause: 'Another task called `close()`, or an operation was begun after it.',
    remedy:
      'Usually this is how a waiting task learns of the end: catch it by its code and return.',
  },
  ERR_DEADLOCK: {
    className: 'DeadlockError',
    sentence: 'No task can ever run again.',
    cause:
      'Tasks wait for each other in a circle, or for a wake-up that nobody is left to give. The ' +
      'report names every task and what it waits for.',
    remedy:
      'Take locks in one order, close channels when the last sender is done, or wait with a ' +
      '`timeout`.',
  },
  ERR_GRACE_OVER: {
    className: 'CoronetError',
    sentence: 'What was asked to stop had not ended when its grace period was over, and was cut.',
    cause: 'A handler in the middle of its work, or one that does not heed `waitStopping()`.',
    remedy: 'The message lists the tasks and what they waited for. Raise `graceMs`, or end sooner.',
  },
  ERR_GROUP: {
    className: 'GroupError',
    sentence: 'A task of a group, or its body, failed.',
    cause: 'See `.errors`: all failures in the order in which they came; `.cause` is the first.',
    remedy:
      'Handle failures inside the task where the rest should go on. Around the group, look at ' +
      '`.errors`.',
  },
  ERR_GROUP_CANCELLED: {
    className: 'GroupStateError',
    sentence: 'A group was cancelled before its body had returned a value.',
    cause: '`group.cancel()` was called, or the deadline of its scope has passed.',
    remedy: 'Let the body return before cancelling, or put `scope` around what may be cut short.',
  },
  ERR_GROUP_ENDED: {
    className: 'GroupStateError',
    sentence: 'A task was to be spawned into a group that has been left.',
    cause: 'The group object was kept beyond its body and children.',
    remedy: 'Spawn while the group is open; for tasks that live longer, open it further outwards.',
  },
  ERR_INVALID_ARG_TYPE: {
    className: 'TypeError',
    sentence: 'An argument is of the wrong type.',
    cause: 'The message says what was expected, what came, and of which type.',
    remedy: 'Pass a value of the expected type.',
  },
  ERR_JOIN_CYCLE: {
    className: 'UsageError',
    sentence: 'A task tried to join itself or a task that it is a part of.',
    cause: '`join()` of the own task or of an ancestor: neither could ever end.',
    remedy: 'Let the parent join the child, or pass the value through a channel.',
  },
  ERR_LEFT_OPEN: {
    className: 'CoronetError',
    sentence: 'A run had ended with sockets or listeners open. They were closed.',
    cause: 'A socket was not closed on every way out of the code that owns it.',
    remedy: 'Close in `finally`, or declare it with `using`.',
  },
  ERR_LONG_STEP: {
    className: 'CoronetError',
    sentence: 'A task held the thread for long without a yield (debug mode).',
    cause: 'A long computation, or a blocking call such as readFileSync.',
    remedy: 'Divide the computation with a bare `yield`, or give it to a worker thread.',
  },
  ERR_NOT_AN_OPERATION: {
    className: 'UsageError',
    sentence: 'Something that is no operation was given where one is needed.',
    cause: 'A promise, an async function, or a function that returns nothing.',
    remedy: 'Pass a generator or an operation; await promises with `until(promise)`.',
  },
  ERR_NOT_DRIVEN: {
    className: 'UsageError',
    sentence: 'An operation was made and never driven: a `yield*` is missing.',
    cause: '`socket.sendAll(data)` on a line of its own does nothing.',
    remedy: 'Write `yield* socket.sendAll(data)`.',
  },
  ERR_NO_TASK: {
    className: 'UsageError',
    sentence: 'Something that needs a running task was used outside of tasks.',
    cause: 'A call at top level, in a callback or in an async function.',
    remedy: 'Call it inside `run(function* () { … })`.',
  },
  ERR_OUT_OF_RANGE: {
    className: 'RangeError',
    sentence: 'An argument is out of its range.',
    cause: 'A negative or NaN duration, a port above 65535, a size of 0.',
    remedy: 'The message says which range was expected.',
  },
  ERR_SCOPE_MISNESTED: {
    className: 'UsageError',
    sentence: 'A scope was left while another one was open inside it.',
    cause: 'An operation was driven by hand and left half-way.',
    remedy: 'Let `yield*` drive every operation to its end.',
  },
  ERR_SHIELD_EXPIRED: {
    className: 'ShieldExpiredError',
    sentence: 'Cleanup inside a shield took longer than it was granted, and was cancelled.',
    cause: 'A `finally` waits for a peer that does not answer.',
    remedy: 'Raise `withinMs`, or close instead of saying goodbye.',
  },
  ERR_TASK_CANCELLED: {
    className: 'TaskCancelledError',
    sentence: 'The joined task, or the main task, was cancelled and has no result.',
    cause: '`task.cancel()`, or the end of the group that it belongs to.',
    remedy: 'Expect it where tasks may be cancelled; `.cause` tells why it was.',
  },
  ERR_TIMEOUT: {
    className: 'TimeoutError',
    sentence: 'An operation did not finish within its time limit.',
    cause: '`timeout`, `deadline` or `timeoutMs`; the message says what was waited for.',
    remedy: 'Retry, raise the limit, or use `moveOnAfter` to get `undefined` instead.',
  },
  ERR_UNCOOPERATIVE: {
    className: 'UncooperativeError',
    sentence: 'A task caught its cancellation again and again and was ended by force.',
    cause: 'A loop with a `catch` that swallows everything, Cancelled included.',
    remedy: 'Rethrow what `isCancelled(error)` recognises.',
  },
  ERR_UNKNOWN_REASON: {
    className: 'UsageError',
    sentence: 'A task yielded something that is no reason to wait.',
    cause: '`yield operation` instead of `yield* operation`, or a yielded promise.',
    remedy: 'Use `yield*` for operations and `yield* until(promise)` for promises.',
  },
  ERR_UNSUPPORTED: {
    className: 'UsageError',
    sentence: 'This host, or the part of it that was asked, cannot do what was requested.',
    cause: 'A feature that depends on the backend or on the operating system.',
    remedy: 'The message states what is missing: leave it out, or choose a backend that has it.',
  },
};
