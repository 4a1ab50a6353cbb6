/**
 * Base of an operation object that a socket can reuse, so that a receive allocates nothing.
 *
 *        a method returns it       yield* takes it         next()          it returns or throws
 *   idle ────────────────────► made ───────────────► driven ───────► begun ──────────────────► idle
 *
 * A new operation is `made`; `reuse()` makes it `idle`, for an owner that keeps it. A request for
 * it while it is `made` reveals a forgotten `yield*`, at no cost. While it is driven, the method
 * creates another one, which then fails with ERR_BUSY.
 */
import { UsageError } from '../kernel/errors.ts';
import type { Frames, Operation, Wait } from '../kernel/operation.ts';
import { rejectAwait } from '../kernel/operation.ts';
import { notDriven, noteDriven, noteMade } from '../kernel/task/undriven.ts';

export abstract class ReusableOperation<T> implements Operation<T>, Frames<T> {
  state: 'idle' | 'made' | 'driven' | 'begun' = 'made';
  /** The operation is its own result: its driver reads `done` and `value` at once. */
  done = true;
  value: T | Wait = undefined;

  /** The call in the source of the program, for messages: "socket.recv()". */
  protected abstract get call(): string;

  /** Makes a new operation idle. */
  reuse(): this {
    this.state = 'idle';
    return this;
  }

  /** Marks an idle operation as made. False: it is driven. Throws if it was never driven. */
  acquire(): boolean {
    this.checkDriven();
    if (this.state !== 'idle') return false;
    this.state = 'made';
    noteMade(this);
    return true;
  }

  /** Throws if the operation was made and never driven. */
  checkDriven(): void {
    if (this.state !== 'made') return;
    this.state = 'idle';
    throw this.notDrivenError();
  }

  /** The error for a forgotten `yield*`, with the wrong line and the right line. */
  notDrivenError(): UsageError {
    return notDriven(this, this.call);
  }

  [Symbol.iterator](): this {
    if (this.state !== 'made') {
      throw new UsageError(
        'ERR_ALREADY_DRIVEN',
        `This \`${this.call}\` has been driven already. Make a new one for every \`yield*\`.`,
      );
    }
    this.state = 'driven';
    noteDriven(this);
    return this;
  }

  abstract next(value?: unknown): IteratorResult<Wait, T>;

  throw(error: unknown): IteratorResult<Wait, T> {
    this.settle(false);
    throw error;
  }

  return(value?: unknown): IteratorResult<Wait, T> {
    noteDriven(this);
    this.settle(false);
    return { done: true, value: value as T };
  }

  then(_resolve: unknown, reject: unknown): void {
    rejectAwait(this, reject);
  }

  /** The operation has ended. `complete`: it has returned its result. */
  protected abstract settle(complete: boolean): void;

  /** Ends the operation with its result. */
  protected finish(value: T): IteratorResult<Wait, T> {
    this.settle(true);
    this.done = true;
    this.value = value;
    return this as IteratorReturnResult<T>;
  }

  /** The wait that `next` returns. */
  protected waitFor(wait: Wait): IteratorResult<Wait, T> {
    this.done = false;
    this.value = wait;
    return this as IteratorYieldResult<Wait>;
  }
}
