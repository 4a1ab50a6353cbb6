// Two clocks: CPU time for repeated operations, wall time for cases that run once.

/** CPU time of all threads of this process in ns. Resolution 1 µs; a call takes about 1 µs. */
export function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}

/** The CPU time between two points of a program, shared by its tasks. */
export class Lap {
  #from = 0;
  #begun = false;
  ns = 0;

  /** Only the first call has an effect: the others are from tasks that start later. */
  begin() {
    if (this.#begun) return;
    this.#begun = true;
    this.#from = cpuNs();
  }

  /** Only the last call has an effect. */
  end() {
    this.ns = cpuNs() - this.#from;
  }

  /** Continues after `pause`. */
  resume() {
    this.#from = cpuNs();
  }

  pause() {
    this.ns += cpuNs() - this.#from;
  }
}

const MB = 1024 * 1024;

/** A case that runs once: the duration of each part in ms, and the memory after the first one. */
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

/** Throws if the benchmark did not do its work. */
export function same(got, expected) {
  if (got !== expected) throw new Error(`Expected ${expected}, got ${got}`);
}
