/** The other side of a thread: one block of runs at a time. */
import { Worker } from 'node:worker_threads';
import { stackOf } from '../../kernel/checks.ts';
import { PlainError } from '../mistakes.ts';
import type { Block, BlockOutcome, Task } from './explorer.ts';

interface Waiting {
  resolve(outcome: BlockOutcome): void;
  reject(error: unknown): void;
}

export class Thread {
  /** How many runs the next block has. */
  blockSize = 8;
  readonly #worker: Worker;
  #waiting: Waiting | null = null;
  /** Why there is nothing more to be had of it. */
  #over: PlainError | null = null;

  constructor(task: Task) {
    // What scenarios print is no part of the report.
    const options = { workerData: task, stdout: true };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), options);
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.#worker.on('message', (outcome: BlockOutcome) => {
      const waiting = this.#waiting;
      this.#waiting = null;
      waiting?.resolve(outcome);
    });
    this.#worker.on('error', (error) => this.#end(stackOf(error)));
    this.#worker.on('exit', (code) => this.#end(`It has ended itself with code ${code}.`));
  }

  /** Makes these runs. Rejects if the thread ends before. */
  explore(block: Block): Promise<BlockOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#over !== null) return reject(this.#over);
      this.#waiting = { resolve, reject };
      this.#worker.postMessage(block);
    });
  }

  #end(why: string): void {
    this.#over ??= new PlainError(`A thread that made runs has failed, outside of them.\n${why}`);
    this.#waiting?.reject(this.#over);
    this.#waiting = null;
  }

  /** Whatever it does, it is no more, and nobody waits for it. */
  async end(): Promise<void> {
    this.#end('It was ended.');
    await this.#worker.terminate();
  }
}
