// Sheds load: two requests are worked on, three may wait for at most 100 ms, and every further one
// is rejected at once, while there is still time to ask another server. It runs in virtual time.
import type { Operation } from 'coronet';
import { allSettled, moveOnAfter, now, Semaphore, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

class Admission {
  readonly #slots: Semaphore;
  readonly #maxWaiting: number;

  constructor(slots: number, maxWaiting: number) {
    this.#slots = new Semaphore(slots);
    this.#maxWaiting = maxWaiting;
  }

  *run<T>(work: () => Operation<T>): Operation<T> {
    if (this.#slots.stats().waiters >= this.#maxWaiting) throw new Error('overloaded');
    const slots = this.#slots;
    const admitted = yield* moveOnAfter(100, function* () {
      yield* slots.acquire();
      return true;
    });
    if (admitted !== true) throw new Error('waited too long');
    try {
      return yield* work();
    } finally {
      slots.release();
    }
  }
}

await runSimulated(
  function* () {
    const admission = new Admission(2, 3);
    function* request(name: string): Operation<string> {
      yield* sleep(80);
      return `${name} done at ${now()} ms`;
    }
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const results = yield* allSettled(
      names.map((name) => () => admission.run(() => request(name))),
    );
    for (const result of results) {
      console.log(result.status === 'fulfilled' ? result.value : `${result.reason}`);
    }
  },
  { order: 'fifo' },
);

// Output:
// a done at 80 ms
// b done at 80 ms
// c done at 160 ms
// d done at 160 ms
// Error: waited too long
// Error: overloaded
