// A circuit breaker: after three failures in a row, calls fail at once for ten seconds. Then one
// call may test the service: if it succeeds, the circuit closes. The program runs in virtual time.
import type { Operation } from 'coronet';
import { isCancelled, now, sleep } from 'coronet';
import { runSimulated } from 'coronet/sim';

class CircuitBreaker {
  readonly #maxFailures: number;
  readonly #restMs: number;
  #failures = 0;
  /** The time from which a call may test the service again. */
  #restsUntil = -Infinity;

  constructor(maxFailures: number, restMs: number) {
    this.#maxFailures = maxFailures;
    this.#restMs = restMs;
  }

  *call<T>(fn: () => Operation<T>): Operation<T> {
    if (this.#failures >= this.#maxFailures) {
      if (now() < this.#restsUntil) throw new Error('the service is not called');
      this.#restsUntil = now() + this.#restMs; // Only this call tests the service.
    }
    try {
      const value = yield* fn();
      this.#failures = 0;
      return value;
    } catch (error) {
      if (isCancelled(error)) throw error; // A cancelled call is not a failure of the service.
      this.#failures++;
      this.#restsUntil = now() + this.#restMs;
      throw error;
    }
  }
}

await runSimulated(function* () {
  const breaker = new CircuitBreaker(3, 10_000);
  function* service(): Operation<string> {
    yield* sleep(100);
    if (now() < 5000) throw new Error('the service is down');
    return 'the service responds';
  }
  for (const waitMs of [0, 0, 0, 0, 10_000]) {
    yield* sleep(waitMs);
    try {
      console.log(`${now()} ms: ${yield* breaker.call(service)}`);
    } catch (error) {
      console.log(`${now()} ms: ${error}`);
    }
  }
});

// Output:
// 100 ms: Error: the service is down
// 200 ms: Error: the service is down
// 300 ms: Error: the service is down
// 300 ms: Error: the service is not called
// 10300 ms: the service responds
