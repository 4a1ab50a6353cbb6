/**
 * Every error that the kernel makes: a class, a stable `code`, an entry in catalogue.ts.
 *
 * A program should branch on `error.code`, never on the text. Operating-system errors keep the
 * codes that Node gives them ('ECONNRESET', 'EADDRINUSE', …) and are not listed here.
 */

/** Base of the errors that Coronet itself makes. `code` is stable; the message is for people. */
export class CoronetError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, 'name', { value: new.target.name, configurable: true });
  }
}

/** A mistake in the use of an operation or an argument of the wrong type. */
export class UsageError extends CoronetError {}

/** A second task used what one task at a time may use. The first one is untouched. */
export class BusyError extends CoronetError {}

/** The socket, listener or queue was closed here, by this program. */
export class ClosedError extends CoronetError {}

/** A time limit passed. `limitMs` is the limit, `waitedFor` what the task was waiting for. */
export class TimeoutError extends CoronetError {
  readonly limitMs: number;
  readonly waitedFor: string;

  constructor(limitMs: number, waitedFor: string) {
    const what = waitedFor === '' ? '' : ` while waiting for ${waitedFor}`;
    super('ERR_TIMEOUT', `The operation did not finish within ${limitMs} ms${what}`);
    this.limitMs = limitMs;
    this.waitedFor = waitedFor;
  }
}

/** The group of a failed task, or several failed tasks: `errors` in order of occurrence. */
export class GroupError extends AggregateError {
  readonly code = 'ERR_GROUP';

  constructor(errors: readonly unknown[], message: string) {
    super(errors, message, { cause: errors[0] });
    Object.defineProperty(this, 'name', { value: 'GroupError', configurable: true });
  }
}

/** A group ended in a way that is not a failure of a member, or is used after its end. */
export class GroupStateError extends CoronetError {}

/** The joined task was cancelled and has no result. */
export class TaskCancelledError extends CoronetError {}

/** A task refused its cancellation again and again and was ended by force. */
export class UncooperativeError extends CoronetError {}

/** A shield outlived the time it was granted, so its operation was cancelled after all. */
export class ShieldExpiredError extends CoronetError {}

/**
 * No task can ever run again. `tasks` has one line per waiting task, `errors` those of unwinding.
 */
export class DeadlockError extends CoronetError {
  readonly tasks: readonly string[];
  /** Errors raised by tasks while they were unwound because of the deadlock. */
  readonly errors: unknown[] = [];

  constructor(message: string, tasks: readonly string[]) {
    super('ERR_DEADLOCK', message);
    this.tasks = tasks;
  }
}

/** "`who` cannot `what`. `instead`": who it is, what was asked for, what to do about it. */
export function unsupported(who: string, what: string, instead: string): UsageError {
  return new UsageError('ERR_UNSUPPORTED', `${who} cannot ${what}. ${instead}`);
}
