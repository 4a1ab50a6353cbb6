/** How far a long campaign is, on standard error, where a person is looking. */

const WIDTH = 24;
/** Campaigns that are over soon are not worth a line. */
const QUIET_MS = 1000;
const BETWEEN_MS = 200;

export class Progress {
  readonly #runs: number;
  readonly #begun: number = performance.now();
  readonly #isShown: boolean = process.stderr.isTTY === true;
  #shownAt: number = this.#begun + QUIET_MS - BETWEEN_MS;
  #isOnScreen = false;

  constructor(runs: number) {
    this.#runs = runs;
  }

  update(runs: number): void {
    const now = performance.now();
    if (!this.#isShown || now - this.#shownAt < BETWEEN_MS) return;
    this.#shownAt = now;
    this.#isOnScreen = true;
    process.stderr.write(`\r${progressLine(runs, this.#runs, now - this.#begun)}\x1b[K`);
  }

  /** Leaves no trace. */
  end(): void {
    if (this.#isOnScreen) process.stderr.write('\r\x1b[K');
    this.#isOnScreen = false;
  }
}

/** "[########----------------] 3400 of 10000 runs, 1700 a second, 4 s left". */
export function progressLine(runs: number, of: number, tookMs: number): string {
  const full = Math.floor((runs / of) * WIDTH);
  const bar = `${'#'.repeat(full)}${'-'.repeat(WIDTH - full)}`;
  const perSecond = (runs * 1000) / Math.max(1, tookMs);
  const left = runs === 0 ? '' : `, ${Math.ceil((of - runs) / perSecond)} s left`;
  return `[${bar}] ${runs} of ${of} runs, ${Math.round(perSecond)} a second${left}`;
}
