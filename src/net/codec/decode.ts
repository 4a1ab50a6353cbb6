/**
 * Receives a message with the `decode` of a program's own codec.
 *
 *   mark ──► decode reads ──► returns ──► the bytes are consumed
 *               │    ▲
 *         would │    │ bytes have arrived
 *         block ▼    │
 *              wait ─┘──► interrupted, or decode throws ──► rewind: the bytes are unread again
 *
 * `decode` stays suspended in its read while the operation waits, so a message that arrives in many
 * parts is not decoded again for each of them.
 */
import { runningTask } from '../../kernel/current.ts';
import { UsageError } from '../../kernel/errors.ts';
import type { Frames, Operation, Wait } from '../../kernel/operation.ts';
import { isOperation } from '../../kernel/operation.ts';
import type { ScopeImpl } from '../../kernel/scope/scope.ts';
import { wrongType } from '../../support/checks.ts';
import type { Reader } from '../buffered/reader.ts';
import { LimitError } from '../errors.ts';
import { Receive } from '../tcp/receive.ts';
import type { Socket } from '../tcp/socket.ts';
import { MAX_BATCH } from './batch.ts';
import type { Codec } from './codec.ts';
import { DEFAULT_MAX_MESSAGE, MalformedMessageError } from './codec.ts';

/** A `decode` that catches everything and waits again is abandoned after this many waits. */
const MAX_UNWIND_STEPS = 16;

abstract class Decode<T, R> extends Receive<R, Socket> {
  protected readonly reader: Reader;
  readonly #codec: Codec<T, never>;
  /** The `decode` in progress. */
  #frames: Frames<T | null> | null = null;

  constructor(socket: Socket, reader: Reader, codec: Codec<T, never>) {
    super(socket);
    this.reader = reader;
    this.#codec = codec;
  }

  /**
   * Continues the current message, or begins one. `undefined`: would block. After an error, the
   * bytes are unread again, unless the error is `recoverable` and not to be repeated.
   */
  protected decode(repeatsErrors: boolean): T | null | undefined {
    const { socket } = this;
    const task = runningTask();
    const { scope } = task;
    // The reads of `decode` take the receiving half from this operation, and must not flush.
    if (socket.receiving === this) socket.receiving = null;
    socket.sending ??= this;
    try {
      if (this.#frames === null) {
        this.reader.mark();
        this.#frames = framesOf(this.#codec.decode(this.reader));
      }
      const message = this.#step(this.#frames, scope);
      socket.receiving ??= this;
      return message;
    } catch (error) {
      const recoverable = error instanceof MalformedMessageError && error.recoverable;
      try {
        this.#unwind((frames) => frames.throw?.(error));
      } catch {
        // Usually the same error.
      }
      // A group that could not wait for its children is left without it.
      if (task.scope !== scope) task.moveToScope(scope);
      this.#end(recoverable && !repeatsErrors);
      if (socket.receiving === this) socket.receiving = null;
      throw error;
    } finally {
      if (socket.sending === this) socket.sending = null;
    }
  }

  /** Ends the `decode` in progress, if any, and makes its bytes unread. */
  protected abandon(): void {
    if (this.#frames === null) return;
    try {
      this.#unwind((frames) => frames.return?.());
    } finally {
      this.#end(false);
    }
  }

  protected override settle(): void {
    try {
      this.abandon();
    } finally {
      super.settle();
    }
  }

  #step(frames: Frames<T | null>, scope: ScopeImpl): T | null | undefined {
    for (;;) {
      const { done, value } = frames.next();
      const { max = DEFAULT_MAX_MESSAGE } = this.#codec;
      const { sinceMark } = this.reader;
      if (done === true && value === undefined) {
        throw wrongType('decode()', 'a message, or null', value);
      }
      if (done !== true && value !== undefined) this.#checkWait(value as Wait, scope);
      if (sinceMark > max) throw new LimitError(this.socket.name, 'of one message', max, sinceMark);
      if (done === true) {
        this.#end(true);
        return value as T | null;
      }
      if (value !== undefined) return undefined;
    }
  }

  /** While `decode` is suspended the task is not in it, so no scope of `decode` may be open. */
  #checkWait(wait: Wait, scope: ScopeImpl): void {
    const isOwn = wait?.[0] === 'recv' && wait[1]?.readiness === this.socket.readiness;
    if (!isOwn) throw codecWait(`waits for '${String(wait?.[0])}'`);
    if (runningTask().scope !== scope) {
      throw codecWait('waits inside a scope, such as that of a `timeout`');
    }
  }

  /** Runs the `finally` blocks of a suspended `decode`. A wait there throws. */
  #unwind(begin: (frames: Frames<T | null>) => IteratorResult<unknown> | undefined): void {
    const frames = this.#frames;
    if (frames === null) return;
    if (this.socket.receiving === this) this.socket.receiving = null;
    try {
      let step = begin(frames);
      for (let steps = 0; step?.done === false && steps < MAX_UNWIND_STEPS; steps++) {
        step = frames.throw?.(codecWait('waits while it is interrupted'));
      }
    } finally {
      // A read of a `decode` that did not end does not keep the receiving half.
      this.socket.receiving = this;
    }
  }

  #end(consumed: boolean): void {
    this.#frames = null;
    if (consumed) this.reader.release();
    else this.reader.rewind();
  }
}

/** `messages.receive()`. */
export class DecodeMessage<T> extends Decode<T, T | null> {
  protected get call(): string {
    return 'messages.receive()';
  }

  protected attempt(): T | null | undefined {
    return this.decode(false);
  }
}

/** `messages.receiveBatch()`. */
export class DecodeBatch<T> extends Decode<T, readonly T[]> {
  protected get call(): string {
    return 'messages.receiveBatch()';
  }

  protected attempt(): readonly T[] | undefined {
    const first = this.decode(false);
    if (first === undefined) return undefined;
    if (first === null) return [];
    const batch: T[] = [first];
    while (batch.length < MAX_BATCH && this.reader.buffered > 0) {
      const message = this.#another();
      if (message === undefined || message === null) break;
      batch.push(message);
    }
    return batch;
  }

  /** One more message. An error is left to the next receive, which starts at the same message. */
  #another(): T | null | undefined {
    try {
      const message = this.decode(true);
      if (message === undefined) this.abandon();
      return message;
    } catch {
      return undefined;
    }
  }
}

function framesOf<T>(decoding: Operation<T>): Frames<T> {
  if (!isOperation(decoding)) throw wrongType('decode()', 'an operation', decoding);
  return decoding[Symbol.iterator]();
}

function codecWait(fault: string): UsageError {
  return new UsageError(
    'ERR_CODEC_WAIT',
    `The \`decode\` of a codec may wait for its reader only, and ${fault}.`,
  );
}
