/** What can be wrong with a call of the command, and how errors are told. */
import { stackOf } from '../support/checks.ts';

/**
 * Errors that are told in one sentence, without a stack: the person at the keyboard can mend them.
 */
export class CommandError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PlainError';
    this.stack = message;
  }
}

/** The command was called wrongly: exit code 2. */
export class CommandUsageError extends CommandError {}

/** Tells the error on standard error, and sets the exit code. */
export function reportFailure(error: unknown): void {
  const plain = error instanceof CommandError;
  const text = plain ? error.message : stackOf(error);
  process.stderr.write(`coronet: ${text}\n`);
  process.exitCode = error instanceof CommandUsageError ? 2 : 1;
}
