// Two clocks: CPU time for what is repeated, wall time for what happens once.

/** CPU time of this process in ns, all its threads. Resolution 1 µs, about 1 µs to ask. */
export function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** The CPU time between one place of a program and another; tasks share one. */
export class Lap {
  #from = 0;
  #begun = false;
  ns = 0;

  /** The first call counts: the others come from tasks that started later. */
  begin() {
    if (this.#begun) return;
    this.#begun = true;
    this.#from = cpuNs();
  }

  /** The last call counts. */
  end() {
    this.ns = cpuNs() - this.#from;
  }

  /** Runs on from here, after `pause`. */
  resume() {
    this.#from = cpuNs();
  }

  pause() {
    this.ns += cpuNs() - this.#from;
  }
}

const MB = 1024 * 1024;

/** What happens once: the time of each part in ms, and the memory after the first one. */
export class Once {
  #at = performance.now();
  #heap = Once.#used();

  constructor(tasks) {
    this.figures = { tasks };
    this.#at = performance.now(); // after the collection
  }

  static #used() {
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  /** All tasks are waiting. Resident memory is read as it is, the heap after a collection. */
  started() {
    this.figures.startMs = performance.now() - this.#at;
    this.figures.residentMb = process.memoryUsage.rss() / MB;
    this.figures.heapBytes = (Once.#used() - this.#heap) / this.figures.tasks;
    this.#at = performance.now();
  }

  /** All tasks have ended, `unwound` of them through their `finally`. */
  cancelled(unwound) {
    this.figures.cancelMs = performance.now() - this.#at;
    this.figures.peakMb = process.resourceUsage().maxRSS / 1024;
    same(unwound, this.figures.tasks);
  }
}

/** A benchmark that did not do its work has no figure. */
export function same(got, expected) {
  if (got !== expected) throw new Error(`Error: expected ${expected} of them, got ${got}`);
}
