// A cache in which concurrent requests for one key share one load. The lock of the key makes the
// others wait; if the task that loads is cancelled, the next one loads.
import type { Operation } from 'coronet';
import { Lock, map, now, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

interface Entry<T> {
  readonly lock: Lock;
  value?: T;
  loadedAt: number;
}

class Cache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #load: (key: string) => Operation<T>;
  readonly #maxAgeMs: number;
  readonly #maxEntries: number;

  constructor(load: (key: string) => Operation<T>, maxAgeMs: number, maxEntries: number) {
    this.#load = load;
    this.#maxAgeMs = maxAgeMs;
    this.#maxEntries = maxEntries;
  }

  *get(key: string): Operation<T> {
    const entry = this.#entries.get(key) ?? { lock: new Lock(key), loadedAt: -Infinity };
    this.#entries.delete(key); // The map is in the order of use.
    this.#entries.set(key, entry);
    const [oldest = key] = this.#entries.keys();
    if (this.#entries.size > this.#maxEntries) this.#entries.delete(oldest);
    return yield* entry.lock.with(() => this.#fresh(key, entry));
  }

  *#fresh(key: string, entry: Entry<T>): Operation<T> {
    if (now() - entry.loadedAt >= this.#maxAgeMs) {
      entry.value = yield* this.#load(key);
      entry.loadedAt = now();
    }
    return entry.value as T;
  }
}

await runSimulated(function* () {
  let loads = 0;
  function* load(key: string): Operation<string> {
    loads++;
    yield* sleep(100);
    return key.toUpperCase();
  }
  const cache = new Cache(load, 1000, 100);
  const keys = ['a', 'a', 'b', 'a'];
  console.log(yield* map(keys, (key) => cache.get(key)), `${loads} loads`);
  yield* sleep(1000);
  console.log(yield* cache.get('a'), `${loads} loads`);
});

// Output:
// [ 'A', 'A', 'B', 'A' ] 2 loads
// A 3 loads
