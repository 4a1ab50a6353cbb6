/**
 * Whether workers turn: every one that is ready is asked every so often, and one that has not
 * answered for too long hangs. Its process is there, so nobody else would notice, and connections
 * wait in its queue.
 *
 * Invariants:
 *  1. Who is ready is judged. One that begins has `readyTimeoutMs`, one that was asked to end has
 *     its grace, and one that a person looks at with a debugger may stand still.
 *  2. A worker hangs when LOOKS looks in a row have found a question without any answer since, so
 *     when the limit has passed, and up to two looks later; never before.
 *  3. A supervisor that was held up (stopped, computing) does not take its own silence for that of
 *     its workers: silence is counted in looks and not by the clock, and a look that comes late is
 *     put off once. What has come meanwhile is heard before the next one.
 *  4. One question goes out with each look, so a worker that does not read is sent LOOKS + 1.
 */
import type { Wait } from '../kernel/operation.ts';
import { now } from '../kernel/time.ts';
import { sleep } from '../kernel/waits.ts';
import type { WorkerRecord } from './worker.ts';

/** Looks within the limit. */
const LOOKS = 8;
/** The event loop's timers have no finer resolution. */
const LEAST_MS = 1;

/**
 * Looks at `workers` for ever, and calls `hung` for each one that has not answered for
 * `hangTimeoutMs`.
 */
export function* watchLiveness(
  workers: Iterable<WorkerRecord>,
  hangTimeoutMs: number,
  hung: (worker: WorkerRecord, silentMs: number) => void,
): Generator<Wait, never> {
  const everyMs = Math.max(LEAST_MS, hangTimeoutMs / LOOKS);
  let isPutOff = false;
  for (;;) {
    const before = now();
    yield* sleep(everyMs);
    isPutOff = !isPutOff && now() - before > 2 * everyMs;
    if (isPutOff) continue;
    for (const worker of workers) {
      if (worker.state === 'ready' && worker.look() >= LOOKS) hung(worker, LOOKS * everyMs);
    }
  }
}
