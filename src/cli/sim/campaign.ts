/**
 * Many runs, spread over threads. What comes of it does not depend on how many threads there are:
 * the figures are added up in the order of the runs, and of several failures the first one in that
 * order counts.
 *
 * Runs are given out in blocks. Blocks before a failure are finished, none behind it are begun.
 */

import { Worker } from 'node:worker_threads';
import type { Plan } from '../../sim/options.ts';
import type { SimReport } from '../../sim/report/report.ts';
import { RunTotals } from '../../sim/report/report.ts';
import { stackOf } from '../../support/checks.ts';
import { CommandError } from '../errors.ts';
import type { Block, BlockOutcome, FailureRecord, WorkerInput } from './explorer.ts';

/** A block takes about so many milliseconds; it has so many runs at most. */
const BLOCK_MS = 100;
const MAX_RUNS = 1000;
/** Runs that are made before those in front of them are done: their figures have to be kept. */
const MAX_AHEAD = 50_000;

export interface CampaignOutcome {
  /** Of the runs up to the failure, or the interruption: no gap is among them. */
  readonly report: SimReport;
  /** The first failure that is known. */
  readonly failure: FailureRecord | null;
  /** True: it was stopped, so there may be failures before that one. */
  readonly isInterrupted: boolean;
}

export class Campaign {
  readonly #input: WorkerInput;
  readonly #totals: RunTotals;
  readonly #threads: Thread[] = [];
  readonly #idle: Thread[] = [];
  /** Outcomes of blocks that begin behind the runs that were added up, by their first run. */
  readonly #ahead = new Map<number, BlockOutcome>();
  /** The first run that nobody has begun. */
  #next = 0;
  /** The first run that does not matter. */
  #end: number;
  #failure: FailureRecord | null = null;
  #isInterrupted = false;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  readonly #onProgress: (runs: number) => void;

  constructor(plan: Plan, task: WorkerInput, onProgress: (runs: number) => void) {
    this.#input = task;
    this.#totals = new RunTotals(plan);
    this.#end = plan.runs;
    this.#onProgress = onProgress;
  }

  /** Makes the runs. Rejects if a thread fails in another way than by a failing run. */
  async run(threads: number): Promise<CampaignOutcome> {
    const over = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    for (let i = 0; i < threads; i++) this.#threads.push(new Thread(this.#input));
    for (const thread of this.#threads) this.#feed(thread);
    try {
      await over;
    } finally {
      await Promise.all(this.#threads.map((thread) => thread.end()));
    }
    const failure = this.#failure;
    return { report: this.#totals.report(), failure, isInterrupted: this.#isInterrupted };
  }

  /** No more runs: `run` settles with what there is. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#resolve();
  }

  #feed(thread: Thread): void {
    const first = this.#next;
    const room = this.#totals.runs + MAX_AHEAD - first;
    const count = Math.min(thread.blockSize, this.#end - first, room);
    if (count <= 0) {
      this.#idle.push(thread);
      return;
    }
    this.#next += count;
    void this.#explore(thread, { first, count, shrink: false });
  }

  async #explore(thread: Thread, block: Block): Promise<void> {
    const begun = performance.now();
    try {
      const outcome = await thread.explore(block);
      const tookMs = performance.now() - begun;
      if (tookMs < BLOCK_MS / 2) thread.blockSize = Math.min(MAX_RUNS, thread.blockSize * 2);
      if (tookMs > BLOCK_MS * 2) thread.blockSize = Math.max(1, Math.floor(thread.blockSize / 2));
      this.#accept(block, outcome);
      this.#feed(thread);
    } catch (error) {
      this.#reject(error);
    }
  }

  #accept({ first }: Block, outcome: BlockOutcome): void {
    const { stats, failure } = outcome;
    if (failure !== null && first + stats.length < this.#end) {
      this.#failure = failure;
      this.#end = first + stats.length;
    }
    this.#ahead.set(first, outcome);
    this.#addUp();
    this.#onProgress(this.#totals.runs);
    if (this.#totals.runs >= this.#end) this.#resolve();
    for (const thread of this.#idle.splice(0)) this.#feed(thread);
  }

  /** What has become contiguous. */
  #addUp(): void {
    for (;;) {
      const first = this.#totals.runs;
      const outcome = this.#ahead.get(first);
      if (outcome === undefined) return;
      this.#ahead.delete(first);
      for (const figures of outcome.stats) {
        if (this.#totals.runs < this.#end) this.#totals.add(figures);
      }
      if (outcome.stats.length === 0) return;
    }
  }
}

/** The other side of a thread: one block of runs at a time. */

interface PendingBlock {
  resolve(outcome: BlockOutcome): void;
  reject(error: unknown): void;
}

export class Thread {
  /** How many runs the next block has. */
  blockSize = 8;
  readonly #worker: Worker;
  #pending: PendingBlock | null = null;
  /** Why there is nothing more to be had of it. */
  #endedBy: CommandError | null = null;

  constructor(task: WorkerInput) {
    // What scenarios print is no part of the report.
    const options = { workerData: task, stdout: true };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), options);
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.#worker.on('message', (outcome: BlockOutcome) => {
      const waiting = this.#pending;
      this.#pending = null;
      waiting?.resolve(outcome);
    });
    this.#worker.on('error', (error) => this.#end(stackOf(error)));
    this.#worker.on('exit', (code) => this.#end(`It has ended itself with code ${code}.`));
  }

  /** Makes these runs. Rejects if the thread ends before. */
  explore(block: Block): Promise<BlockOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#endedBy !== null) return reject(this.#endedBy);
      this.#pending = { resolve, reject };
      this.#worker.postMessage(block);
    });
  }

  #end(why: string): void {
    this.#endedBy ??= new CommandError(
      `A thread that made runs has failed, outside of them.\n${why}`,
    );
    this.#pending?.reject(this.#endedBy);
    this.#pending = null;
  }

  /** Whatever it does, it is no more, and nobody waits for it. */
  async end(): Promise<void> {
    this.#end('It was ended.');
    await this.#worker.terminate();
  }
}
