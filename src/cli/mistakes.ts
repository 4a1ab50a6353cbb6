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
