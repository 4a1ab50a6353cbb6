/**
 * A campaign: many runs on several threads. The result does not depend on the number of threads:
 * statistics are added up in the order of the runs, and the failure with the lowest index is
 * reported.
 *
 * Threads receive the runs in blocks. After a failure, earlier blocks are finished, and no later
 * block is started.
 */

import { Worker } from 'node:worker_threads';
import type { Plan } from '../../sim/options.ts';
import type { SimReport } from '../../sim/report/report.ts';
import { RunTotals } from '../../sim/report/report.ts';
import { stackOf } from '../../support/checks.ts';
import { CommandError } from '../errors.ts';
import type { Block, BlockOutcome, FailureRecord, ThreadInput } from './block-runner.ts';

/** The intended duration of a block, and its maximum number of runs. */
const BLOCK_MS = 100;
const MAX_RUNS = 1000;
/** The maximum number of runs that start before earlier runs are added up. */
const MAX_AHEAD = 50_000;

export interface CampaignOutcome {
  /** The runs before the failure or the interruption, without gaps. */
  readonly report: SimReport;
  /** The failure with the lowest index so far. */
  readonly failure: FailureRecord | null;
  /** True: the campaign was interrupted; runs before the failure may not have been made. */
  readonly isInterrupted: boolean;
}

export class Campaign {
  readonly #input: ThreadInput;
  readonly #totals: RunTotals;
  readonly #idle: Thread[] = [];
  /** Outcomes that cannot be added up yet, by the index of their first run. */
  readonly #ahead = new Map<number, BlockOutcome>();
  /** The index of the first run that has not started. */
  #next = 0;
  /** Runs from this index on are not needed. */
  #end: number;
  #failure: FailureRecord | null = null;
  #isInterrupted = false;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  readonly #onProgress: (runs: number) => void;

  constructor(plan: Plan, input: ThreadInput, onProgress: (runs: number) => void) {
    this.#input = input;
    this.#totals = new RunTotals(plan);
    this.#end = plan.runs;
    this.#onProgress = onProgress;
  }

  /** Simulates all runs. Rejects if a thread fails for another reason than a failed run. */
  async run(threadCount: number): Promise<CampaignOutcome> {
    const finished = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const threads = Array.from({ length: threadCount }, () => new Thread(this.#input));
    for (const thread of threads) this.#feed(thread);
    try {
      await finished;
    } finally {
      await Promise.all(threads.map((thread) => thread.end()));
    }
    const failure = this.#failure;
    return { report: this.#totals.report(), failure, isInterrupted: this.#isInterrupted };
  }

  /** Stops the campaign: `run` resolves with the results so far. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#resolve();
  }

  #feed(thread: Thread): void {
    const first = this.#next;
    const allowed = this.#totals.runs + MAX_AHEAD - first;
    const count = Math.min(thread.blockSize, this.#end - first, allowed);
    if (count <= 0) return void this.#idle.push(thread);
    this.#next += count;
    void this.#runBlock(thread, { first, count, shrink: false, record: false });
  }

  async #runBlock(thread: Thread, block: Block): Promise<void> {
    const startedAt = performance.now();
    try {
      const outcome = await thread.runBlock(block);
      const durationMs = performance.now() - startedAt;
      if (durationMs < BLOCK_MS / 2) thread.blockSize = Math.min(MAX_RUNS, thread.blockSize * 2);
      if (durationMs > BLOCK_MS * 2) thread.blockSize = Math.max(1, thread.blockSize >> 1);
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
    for (const idle of this.#idle.splice(0)) this.#feed(idle);
  }

  /** Adds the outcomes that directly follow the runs already added. */
  #addUp(): void {
    for (;;) {
      const first = this.#totals.runs;
      const outcome = this.#ahead.get(first);
      if (outcome === undefined) return;
      this.#ahead.delete(first);
      for (const stats of outcome.stats) {
        if (this.#totals.runs < this.#end) this.#totals.add(stats);
      }
      if (outcome.stats.length === 0) return;
    }
  }
}

/** A worker thread, which simulates one block at a time. */
export class Thread {
  /** The size of the next block. */
  blockSize = 8;
  readonly #worker: Worker;
  #pending: { resolve(outcome: BlockOutcome): void; reject(error: unknown): void } | null = null;
  /** Why the thread accepts no more blocks. */
  #endedBy: CommandError | null = null;

  constructor(input: ThreadInput) {
    // Output of scenarios must not mix with the report on standard output.
    const options = { workerData: input, stdout: true };
    this.#worker = new Worker(new URL('./thread-main.js', import.meta.url), options);
    this.#worker.stdout.pipe(process.stderr, { end: false });
    this.#worker.on('message', (outcome: BlockOutcome) => {
      const pending = this.#pending;
      this.#pending = null;
      pending?.resolve(outcome);
    });
    this.#worker.on('error', (error) => this.#onEnd(stackOf(error)));
    this.#worker.on('exit', (code) => this.#onEnd(`It exited with code ${code}.`));
  }

  /** Simulates the runs of a block. Rejects if the thread ends first. */
  runBlock(block: Block): Promise<BlockOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#endedBy !== null) return reject(this.#endedBy);
      this.#pending = { resolve, reject };
      this.#worker.postMessage(block);
    });
  }

  #onEnd(reason: string): void {
    this.#endedBy ??= new CommandError(`A worker thread failed outside of a run.\n${reason}`);
    this.#pending?.reject(this.#endedBy);
    this.#pending = null;
  }

  /** Terminates the thread. A pending `runBlock` rejects. */
  async end(): Promise<void> {
    this.#onEnd('It was terminated.');
    await this.#worker.terminate();
  }
}
