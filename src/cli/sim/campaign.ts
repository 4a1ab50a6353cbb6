/**
 * Many runs, spread over threads. What comes of it does not depend on how many threads there are:
 * the figures are added up in the order of the runs, and of several failures the first one in that
 * order counts.
 *
 * Runs are given out in blocks. Blocks before a failure are finished, none behind it are begun.
 */
import type { Plan } from '../../sim/options.ts';
import type { SimReport } from '../../sim/report.ts';
import { Tally } from '../../sim/report.ts';
import type { Block, BlockOutcome, Task } from './explorer.ts';
import type { FailureRecord } from './record.ts';
import { Thread } from './thread.ts';

/** A block takes about so many milliseconds; it has so many runs at most. */
const BLOCK_MS = 100;
const MOST_RUNS = 1000;
/** Runs that are made before those in front of them are done: their figures have to be kept. */
const MOST_AHEAD = 50_000;

export interface CampaignOutcome {
  /** Of the runs up to the failure, or the interruption: no gap is among them. */
  readonly report: SimReport;
  /** The first failure that is known. */
  readonly failure: FailureRecord | null;
  /** True: it was stopped, so there may be failures before that one. */
  readonly isInterrupted: boolean;
}

export class Campaign {
  readonly #task: Task;
  readonly #tally: Tally;
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

  constructor(plan: Plan, task: Task, onProgress: (runs: number) => void) {
    this.#task = task;
    this.#tally = new Tally(plan);
    this.#end = plan.runs;
    this.#onProgress = onProgress;
  }

  /** Makes the runs. Rejects if a thread fails in another way than by a failing run. */
  async run(threads: number): Promise<CampaignOutcome> {
    const over = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    for (let i = 0; i < threads; i++) this.#threads.push(new Thread(this.#task));
    for (const thread of this.#threads) this.#feed(thread);
    try {
      await over;
    } finally {
      await Promise.all(this.#threads.map((thread) => thread.end()));
    }
    const failure = this.#failure;
    return { report: this.#tally.report(), failure, isInterrupted: this.#isInterrupted };
  }

  /** No more runs: `run` settles with what there is. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#resolve();
  }

  #feed(thread: Thread): void {
    const first = this.#next;
    const room = this.#tally.runs + MOST_AHEAD - first;
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
      if (tookMs < BLOCK_MS / 2) thread.blockSize = Math.min(MOST_RUNS, thread.blockSize * 2);
      if (tookMs > BLOCK_MS * 2) thread.blockSize = Math.max(1, Math.floor(thread.blockSize / 2));
      this.#accept(block, outcome);
      this.#feed(thread);
    } catch (error) {
      this.#reject(error);
    }
  }

  #accept({ first }: Block, outcome: BlockOutcome): void {
    const { figures, failure } = outcome;
    if (failure !== null && first + figures.length < this.#end) {
      this.#failure = failure;
      this.#end = first + figures.length;
    }
    this.#ahead.set(first, outcome);
    this.#addUp();
    this.#onProgress(this.#tally.runs);
    if (this.#tally.runs >= this.#end) this.#resolve();
    for (const thread of this.#idle.splice(0)) this.#feed(thread);
  }

  /** What has become contiguous. */
  #addUp(): void {
    for (;;) {
      const first = this.#tally.runs;
      const outcome = this.#ahead.get(first);
      if (outcome === undefined) return;
      this.#ahead.delete(first);
      for (const figures of outcome.figures) {
        if (this.#tally.runs < this.#end) this.#tally.add(figures);
      }
      if (outcome.figures.length === 0) return;
    }
  }
}
