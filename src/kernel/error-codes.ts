/** The error codes of the kernel, for `coronet explain` and docs/errors.md. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const KERNEL_ERRORS: Catalogue = {
  ERR_ALREADY_DRIVEN: {
    className: 'UsageError',
    sentence: 'An operation was driven a second time.',
    cause:
      'An operation object was stored and used with `yield*` twice, for example in a loop; or ' +
      '`retry(() => op)` and `all([op, op])` got the same generator twice.',
    remedy: 'Make a new operation for each `yield*`, or store a function that makes one.',
  },
  ERR_BUSY: {
    className: 'BusyError',
    sentence:
      'A second task used a resource that one task at a time may use. The first task is not ' +
      'affected.',
    cause: 'Two tasks receive from, send to or accept on the same socket at the same time.',
    remedy: 'Let one task own each direction, or hold a Lock during the exchange.',
    look: {
      text: 'The task tree shows the task that waits for the socket: `kill -USR2 PID`.',
      section: 'inspect.md#the-signal',
    },
  },
  ERR_CLOSED: {
    className: 'ClosedError',
    sentence: 'The resource was closed by this program.',
    cause: 'Another task called `close()`, or an operation was started after the close.',
    remedy: 'Often this is the expected end of a waiting task: catch it by its code and return.',
  },
  ERR_DEADLOCK: {
    className: 'DeadlockError',
    sentence: 'A wait would close a cycle of tasks that wait for each other, or a run cannot end.',
    cause:
      'An acquire, a join, or the wait of a group for its children closes a cycle without a time ' +
      'limit: it throws, and other tasks continue. Or no task of a run can ever run again: `run` ' +
      'rejects. The report lists the tasks and their waits.',
    remedy:
      'Acquire locks in one order, close channels when the last sender is done, or limit the ' +
      'wait with `timeout`.',
    look: {
      text: 'The tasks in the message; `taskTree()` lists the locks with holders and waiters.',
      section: 'inspect.md#the-task-tree',
    },
  },
  ERR_GRACE_OVER: {
    className: 'CoronetError',
    sentence:
      'Tasks had not ended by the end of the grace period after a stop, and were cancelled.',
    cause: 'A handler was still busy, or it does not check `waitStopping()`.',
    remedy: 'The message lists the tasks and their waits. Raise `graceMs`, or end them sooner.',
    look: {
      text: 'Before the end of the grace period, `kill -USR2 PID` shows the tasks that still run.',
      section: 'inspect.md#the-signal',
    },
  },
  ERR_GROUP: {
    className: 'GroupError',
    sentence: 'A task of a group, or its body, failed.',
    cause: '`.errors` contains all failures in the order of occurrence; `.cause` is the first.',
    remedy:
      'Handle a failure inside the task if the other tasks are to continue. Outside the group, ' +
      'inspect `.errors`.',
  },
  ERR_GROUP_CANCELLED: {
    className: 'GroupStateError',
    sentence: 'A group was cancelled before its body had returned a value.',
    cause: '`group.cancel()` was called, or the deadline of its scope passed.',
    remedy: 'Cancel after the body has returned, or run the part that may be cancelled in `scope`.',
  },
  ERR_GROUP_ENDED: {
    className: 'GroupStateError',
    sentence: 'A task was spawned into a group that has ended.',
    cause: 'The group object was used after its body and all its children had ended.',
    remedy:
      'Spawn while the group is open. For tasks that live longer, open the group further out.',
  },
  ERR_INVALID_ARG_TYPE: {
    className: 'TypeError',
    sentence: 'An argument has the wrong type.',
    cause: 'The message states the expected type, the value and its type.',
    remedy: 'Pass a value of the expected type.',
  },
  ERR_JOIN_CYCLE: {
    className: 'UsageError',
    sentence: 'A task tried to join itself or one of its ancestors.',
    cause: 'An ancestor cannot end before its descendants, so neither task could end.',
    remedy: 'Let the parent join the child, or pass the value through a channel.',
  },
  ERR_LEFT_OPEN: {
    className: 'CoronetError',
    sentence: 'A run ended with open sockets or listeners. They were closed.',
    cause: 'A socket was not closed on every path out of the code that owns it.',
    remedy: 'Close it in `finally`, or declare it with `using`.',
    look: {
      text: '`taskTree().resources` lists the listeners and counts the connections.',
      section: 'inspect.md#the-task-tree',
    },
  },
  ERR_LONG_STEP: {
    className: 'CoronetError',
    sentence: 'A task held the thread for a long time without a yield (debug mode).',
    cause: 'A long computation, or a blocking call such as readFileSync.',
    remedy: 'Divide the computation with a bare `yield`, or move it to a worker thread.',
    look: {
      text: '`coronet top PID` shows the longest step, its task and the lag of the loop.',
      section: 'inspect.md#coronet-top',
    },
  },
  ERR_NOT_AN_OPERATION: {
    className: 'UsageError',
    sentence: 'A value that is not an operation was passed where an operation is required.',
    cause: 'A promise, an async function, or a function that returns nothing.',
    remedy: 'Pass a generator or an operation. Wait for promises with `until(promise)`.',
  },
  ERR_NOT_DRIVEN: {
    className: 'UsageError',
    sentence: 'An operation was made and never driven: a `yield*` is missing.',
    cause:
      '`socket.sendAll(data)` on a line of its own does nothing, and `await` cannot drive an ' +
      'operation.',
    remedy:
      'Write `yield* socket.sendAll(data)`. If the message has no line, CORONET_DEBUG=1 adds it.',
  },
  ERR_NO_TASK: {
    className: 'UsageError',
    sentence: 'A function that requires a running task was called outside tasks.',
    cause: 'A call at top level, in a callback or in an async function.',
    remedy: 'Call it inside `run(function* () { … })`.',
  },
  ERR_OUT_OF_RANGE: {
    className: 'RangeError',
    sentence: 'An argument is out of range.',
    cause: 'For example a negative or NaN duration, a port above 65535, or a size of 0.',
    remedy: 'The message states the expected range.',
  },
  ERR_SCOPE_MISNESTED: {
    className: 'UsageError',
    sentence: 'A scope was left while another scope was open inside it.',
    cause: 'The iterator of an operation was called by hand and not driven to its end.',
    remedy: 'Drive every operation to its end with `yield*`.',
  },
  ERR_SHIELD_EXPIRED: {
    className: 'ShieldExpiredError',
    sentence: 'Cleanup inside a shield exceeded its time limit and was cancelled.',
    cause: 'A `finally` block waits for a peer that does not answer.',
    remedy: 'Raise `withinMs`, or close the connection without waiting for the peer.',
    look: {
      text: '`kill -USR2 PID` shows the wait inside the shield, and since when.',
      section: 'inspect.md#the-signal',
    },
  },
  ERR_TASK_CANCELLED: {
    className: 'TaskCancelledError',
    sentence: 'The joined task, or the main task, was cancelled and has no result.',
    cause: '`task.cancel()` was called, or the group of the task was cancelled.',
    remedy: 'Expect this error where tasks may be cancelled. `.cause` is the reason.',
  },
  ERR_TIMEOUT: {
    className: 'TimeoutError',
    sentence: 'An operation did not finish within its time limit.',
    cause: 'The limit of `timeout`, `deadline` or `timeoutMs`. The message states the wait.',
    remedy: 'Retry, raise the limit, or use `moveOnAfter` to get `undefined` instead.',
    look: {
      text: '`kill -USR2 PID` shows what each task waits for, and since when.',
      section: 'inspect.md#the-signal',
    },
  },
  ERR_TWO_COPIES: {
    className: 'UsageError',
    sentence: 'A function of one copy of the package was called inside a task of another copy.',
    cause:
      'Two versions in `node_modules`, or a bundle that contains one copy while another package ' +
      'loads a second one.',
    remedy:
      'Let all packages depend on one version (`npm ls coronet`, `npm dedupe`), and keep the ' +
      'package external to bundles. The message has both directories.',
  },
  ERR_UNCOOPERATIVE: {
    className: 'UncooperativeError',
    sentence: 'A task ignored its cancellation repeatedly and was ended by force.',
    cause: 'A `catch` in a loop catches every value, including Cancelled.',
    remedy: 'Rethrow the error if `isCancelled(error)` is true.',
    look: {
      text: '`coronet top PID` shows the tasks that ran longest.',
      section: 'inspect.md#coronet-top',
    },
  },
  ERR_UNKNOWN_REASON: {
    className: 'UsageError',
    sentence: 'A task yielded a value that is not a reason to wait.',
    cause:
      '`yield operation` instead of `yield* operation`, `yield* [...]` instead of `yield [...]`, ' +
      'or a yielded promise.',
    remedy:
      'Use `yield*` for operations, `yield` for a reason and its resource, and ' +
      '`yield* until(promise)` for promises.',
  },
  ERR_UNSUPPORTED: {
    className: 'UsageError',
    sentence: 'The host, or the part of it that was called, does not support the request.',
    cause: 'The feature depends on the backend or on the operating system.',
    remedy: 'The message states the missing feature. Do without it, or use a backend that has it.',
  },
};
