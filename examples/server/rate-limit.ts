// A rate limiter for messages: a token bucket for each peer. A message without a token waits for
// one, or is rejected. The program runs in virtual time, so its output is exact.
import type { Operation, Socket } from 'coronet';
import { connect, group, listen, now, serve, sleepUntil } from 'coronet';
import { runSimulated } from 'coronet/sim';

/** Each key has `burst` tokens at first, and then one every `intervalMs`. */
class TokenBuckets {
  /** The time at which the next token of a key is due. An absent key has a full bucket. */
  readonly #due = new Map<string, number>();
  readonly #fullMs: number;
  readonly #intervalMs: number;
  readonly #maxKeys: number;

  constructor(burst: number, intervalMs: number, maxKeys = 10_000) {
    this.#fullMs = (burst - 1) * intervalMs;
    this.#intervalMs = intervalMs;
    this.#maxKeys = maxKeys;
  }

  /** Takes a token, if necessary after a wait. False: the wait would exceed `maxWaitMs`. */
  *take(key: string, maxWaitMs = 0): Operation<boolean> {
    this.#forgetFull();
    const due = Math.max(this.#due.get(key) ?? -Infinity, now() - this.#fullMs);
    const isOverfull = !this.#due.has(key) && this.#due.size >= this.#maxKeys;
    if (isOverfull || due > now() + maxWaitMs) return false;
    this.#due.delete(key); // The map is in the order of use.
    this.#due.set(key, due + this.#intervalMs);
    yield* sleepUntil(due);
    return true;
  }

  /** Forgets keys whose bucket is full, in the order of use. */
  #forgetFull(): void {
    for (const [key, due] of this.#due) {
      if (due > now() - this.#fullMs) return;
      this.#due.delete(key);
    }
  }
}

const buckets = new TokenBuckets(2, 100);

function* reply(socket: Socket): Operation<void> {
  const reader = socket.reader();
  for (let line = yield* reader.readLine(); line !== null; line = yield* reader.readLine()) {
    const maxWaitMs = line === 'urgent' ? 0 : 1000;
    const isAllowed = yield* buckets.take(socket.remoteAddress.host, maxWaitMs);
    const response = isAllowed ? 'done' : 'too many requests';
    yield* socket.sendAll(`${line}: ${response} at ${now()} ms\n`);
  }
}

await runSimulated(function* () {
  const listener = yield* listen(80);
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, reply), { daemon: true });
    using socket = yield* connect(80);
    yield* socket.sendAll('first\nsecond\nurgent\nthird\nfourth\n');
    for (let i = 0; i < 5; i++) console.log(yield* socket.reader().readLine());
  });
});

// Output:
// first: done at 0 ms
// second: done at 0 ms
// urgent: too many requests at 0 ms
// third: done at 100 ms
// fourth: done at 200 ms
