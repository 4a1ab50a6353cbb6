/** What can be wrong with a call of the command, and how errors are told. */
import { stackOf } from '../kernel/checks.ts';

/**
 * Errors that are told in one sentence, without a stack: the person at the keyboard can mend them.
 */
export class PlainError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'PlainError';
    this.stack = message;
  }
}

/** The command was called wrongly: exit code 2. */
export class UsageMistake extends PlainError {}

/** Tells the error on standard error, and sets the exit code. */
export function fail(error: unknown): void {
  const plain = error instanceof PlainError;
  const text = plain ? error.message : stackOf(error);
  process.stderr.write(`coronet: ${text}\n`);
  process.exitCode = error instanceof UsageMistake ? 2 : 1;
}
