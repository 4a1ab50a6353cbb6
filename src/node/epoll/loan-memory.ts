/**
 * The memory that the connections of one network receive into on loan (`tryBorrow`). It is always
 * the same, so it stays in the processor cache.
 */
import { Slice } from '../../support/slice.ts';

/** The most bytes of one receive on loan. */
const LOAN_BYTES = 65_536;

const NO_MEMORY: Buffer = Buffer.alloc(0);

export class LoanMemory {
  /** Allocated at first use. */
  #memory: Buffer = NO_MEMORY;

  /** Slabs that it holds. */
  get held(): number {
    return this.#memory === NO_MEMORY ? 0 : 1;
  }

  /** Memory for up to `max` bytes. If it was detached through a result, it is replaced. */
  reserve(max: number): Buffer {
    if (this.#memory.length !== LOAN_BYTES) this.#allocate();
    return max < LOAN_BYTES ? this.#memory.subarray(0, max) : this.#memory;
  }

  /** The `length` bytes that were received into it. */
  take(length: number): Buffer {
    return new Slice(this.#memory.buffer, 0, length);
  }

  drop(): void {
    this.#memory = NO_MEMORY;
  }

  #allocate(): void {
    const memory = Buffer.allocUnsafeSlow(LOAN_BYTES);
    process.getBuiltinModule('node:worker_threads').markAsUntransferable(memory.buffer);
    this.#memory = memory;
  }
}
