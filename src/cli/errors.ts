/** Errors of the command, and how they are reported. */
import { stackOf } from '../support/checks.ts';

/** An error that the user can correct. It is reported as one sentence, without a stack. */
export class CommandError extends Error {
  override readonly stack: string;

  constructor(message: string) {
    super(message);
    this.stack = message;
  }
}

/** Wrong usage of the command: exit code 2. */
export class CommandUsageError extends CommandError {}

/** Writes the error to standard error and sets the exit code. */
export function reportFailure(error: unknown): void {
  process.stderr.write(`coronet: ${stackOf(error)}\n`);
  process.exitCode = error instanceof CommandUsageError ? 2 : 1;
}
