/** Reads all messages that have arrived. */
import type { Framing, ReadOperation } from '../buffered/read-operation.ts';
import type { ReaderBuffer } from '../buffered/reader-buffer.ts';

/** The maximum number of messages of one batch. Limits the length of a step. */
export const MAX_BATCH = 1024;

/** The messages of `framing`: at least one; none at end of file. */
export class BatchFraming<T> implements Framing<readonly T[]> {
  readonly call = 'messages.receiveBatch()';
  readonly #framing: Framing<T | null>;

  constructor(framing: Framing<T | null>) {
    this.#framing = framing;
  }

  maxNeeded(read: ReadOperation): number {
    return this.#framing.maxNeeded(read);
  }

  take(buffer: ReaderBuffer, read: ReadOperation): readonly T[] | undefined {
    let message = this.#framing.take(buffer, read);
    if (message === undefined) return undefined;
    const batch: T[] = [];
    while (message !== undefined && message !== null) {
      batch.push(message);
      if (batch.length === MAX_BATCH || buffer.length === 0) break;
      message = this.#another(buffer, read);
    }
    return batch;
  }

  atEndOfFile(buffer: ReaderBuffer, read: ReadOperation): readonly T[] {
    const last = this.#framing.atEndOfFile(buffer, read);
    return last === null ? [] : [last];
  }

  /** One more message. An error is left to the next read, which starts at the same message. */
  #another(buffer: ReaderBuffer, read: ReadOperation): T | null | undefined {
    buffer.mark();
    try {
      const message = this.#framing.take(buffer, read);
      buffer.release();
      return message;
    } catch {
      buffer.rewind();
      return undefined;
    }
  }
}
