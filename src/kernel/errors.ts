/**
 * The error classes of the kernel. Each error has a stable `code` with an entry in error-codes.ts.
 *
 * Programs branch on `error.code`, not on the message. Errors of the operating system keep Node's
 * codes ('ECONNRESET', 'EADDRINUSE', …) and are not listed here.
 */
import { msText } from '../support/checks.ts';

/** The base class of Coronet's errors. `code` is stable; the message may change. */
export class CoronetError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true });
  }
}

/** An operation or a function was used wrongly. */
export class UsageError extends CoronetError {}

/** A second task used a resource that one task at a time may use. The first is not affected. */
export class BusyError extends CoronetError {}

/** The socket, listener or queue was closed by this program. */
export class ClosedError extends CoronetError {}

/** A time limit has expired. `limitMs` is the limit, `waitedFor` the wait that it ended. */
export class TimeoutError extends CoronetError {
  readonly limitMs: number;
  readonly waitedFor: string;

  constructor(limitMs: number, waitedFor: string) {
    const wait = waitedFor === '' ? '' : ` while waiting for ${waitedFor}`;
    super('ERR_TIMEOUT', `The operation did not finish within ${msText(limitMs)}${wait}`);
    this.limitMs = limitMs;
    this.waitedFor = waitedFor;
  }
}

/** Tasks of a group, or its body, failed. `errors` is in the order of occurrence. */
export class GroupError extends AggregateError {
  readonly code = 'ERR_GROUP';

  constructor(errors: readonly unknown[], message: string) {
    super(errors, message, { cause: errors[0] });
    Object.defineProperty(this, 'name', { value: 'GroupError', configurable: true });
  }
}

/** A group was cancelled before its body returned, or was used after its end. */
export class GroupStateError extends CoronetError {}

/** The joined task was cancelled and has no result. */
export class TaskCancelledError extends CoronetError {}

/** A task ignored its cancellation repeatedly and was ended by force. */
export class UncooperativeError extends CoronetError {}

/** The operation in a shield exceeded its time limit and was cancelled. */
export class ShieldExpiredError extends CoronetError {}

/**
 * A wait would close a cycle of tasks that wait for each other, or no task of the run can ever run
 * again. `tasks` has one line for each task of the cycle (at most 20), or for each unfinished task.
 */
export class DeadlockError extends CoronetError {
  readonly tasks: readonly string[];
  /** Errors that the tasks of the run threw while they unwound because of the deadlock. */
  readonly errors: unknown[] = [];

  constructor(message: string, tasks: readonly string[]) {
    super('ERR_DEADLOCK', message);
    this.tasks = tasks;
  }
}

/** The ERR_UNSUPPORTED with the message "`subject` cannot `action`. `remedy`". */
export function unsupported(subject: string, action: string, remedy: string): UsageError {
  return new UsageError('ERR_UNSUPPORTED', `${subject} cannot ${action}. ${remedy}`);
}

/** The ERR_LEFT_OPEN of the run `name`; `open` describes the sockets that were left open. */
export function leftOpenError(name: string, open: readonly string[]): CoronetError {
  const list = open.slice(0, 10).join(', ');
  const more = open.length > 10 ? ` and ${open.length - 10} more` : '';
  const text = `Run '${name}' ended with open resources, which are now closed: ${list}${more}`;
  return new CoronetError('ERR_LEFT_OPEN', text);
}
