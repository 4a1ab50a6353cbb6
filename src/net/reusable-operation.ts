/**
 * Kept operations: the base of an operation object of which a socket keeps one for each direction,
 * so that a receive or a send allocates nothing.
 *
 *             the method hands it out        yield* takes it          it returns or throws
 *   idle ────────────────────────► made ─────────────────► driven ─────────────────────► idle
 *
 * A second one asked for while the kept one is `made` shows the classic mistake, a forgotten
 * `yield*`, at no cost. While it is `driven` a fresh one is handed out, which then meets ERR_BUSY.
 */
import { UsageError } from '../kernel/errors.ts';
import type { Frames, Operation, Wait } from '../kernel/operation.ts';

export abstract class ReusableOperation<T> implements Operation<T>, Frames<T> {
  state: 'idle' | 'made' | 'driven' = 'idle';
  /** The operation is its own last result: `yield*` reads `done` and `value` at once. */
  readonly done = true;
  value: T | undefined = undefined;

  /** What the wrong line would have called, for the message: "socket.recv()". */
  protected abstract get call(): string;

  /** Marks the operation as handed out, if it is free; throws if the last one was forgotten. */
  take(): boolean {
    if (this.state === 'driven') return false;
    if (this.state === 'made') {
      this.state = 'idle';
      throw this.notDrivenError();
    }
    this.state = 'made';
    return true;
  }

  /** The mistake in words: the wrong line and the right line. */
  notDrivenError(): UsageError {
    return new UsageError(
      'ERR_NOT_DRIVEN',
      `An operation was made and never driven: a \`yield*\` is missing.\n` +
        `  wrong:  ${this.call}\n  right:  yield* ${this.call}`,
    );
  }

  [Symbol.iterator](): this {
    if (this.state !== 'made') {
      throw new UsageError(
        'ERR_ALREADY_DRIVEN',
        `This \`${this.call}\` has been driven already. Make a new one for every \`yield*\`.`,
      );
    }
    this.state = 'driven';
    this.begun = false;
    return this;
  }

  /** False until the first `next()`. */
  protected begun = false;

  abstract next(value?: unknown): IteratorResult<Wait, T>;

  throw(error: unknown): IteratorResult<Wait, T> {
    this.settle(false);
    throw error;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    this.settle(false);
    return { done: true, value: value as T };
  }

  /** The operation is over; `complete` tells whether it did what it was asked for. */
  protected abstract settle(complete: boolean): void;

  /** Ends the operation with its value. */
  protected finish(value: T): IteratorReturnResult<T> {
    this.settle(true);
    this.value = value;
    return this as IteratorReturnResult<T>;
  }
}
