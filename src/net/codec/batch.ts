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
    const together = this.#takeTogether(buffer, read);
    if (together !== undefined) return together;
    const take = (): T | null | undefined => this.#framing.take(buffer, read);
    let message = take();
    if (message === undefined) return undefined;
    const batch: T[] = [];
    while (message !== undefined && message !== null) {
      batch.push(message);
      if (batch.length === MAX_BATCH || buffer.length === 0) break;
      message = this.#another(buffer, take);
    }
    return batch;
  }

  /** `undefined`: the framing takes messages one by one. */
  #takeTogether(buffer: ReaderBuffer, read: ReadOperation): readonly T[] | undefined {
    const framing = this.#framing;
    const batch: T[] | undefined = framing.takeAll?.(buffer, read, MAX_BATCH);
    while (batch !== undefined && buffer.length > 0 && batch.length < MAX_BATCH) {
      const more = this.#another(buffer, () =>
        framing.takeAll?.(buffer, read, MAX_BATCH - batch.length),
      );
      if (more === undefined) break;
      batch.push(...more);
    }
    return batch;
  }

  atEndOfFile(buffer: ReaderBuffer, read: ReadOperation): readonly T[] {
    const last = this.#framing.atEndOfFile(buffer, read);
    return last === null ? [] : [last];
  }

  /** More messages. An error is left to the next read, which starts at the same message. */
  #another<M>(buffer: ReaderBuffer, take: () => M): M | undefined {
    buffer.mark();
    try {
      const taken = take();
      buffer.release();
      return taken;
    } catch {
      buffer.rewind();
      return undefined;
    }
  }
}
