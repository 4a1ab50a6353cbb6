/** `ready`: the program reports that it can serve. */
import { currentWorld } from '../net/current-world.ts';

/**
 * Reports that the program can serve: `onReady` of `main` is called, `/readyz` returns 200, and
 * systemd receives READY=1. Without a call, the program is ready once its first server listens;
 * with `main(op, { ready: 'manual' })` it is ready only after this call. Only the first call has an
 * effect, and none after the first signal that stops the program, or without `main`. Must be called
 * in a task.
 *
 * Errors: ERR_NO_TASK; exceptions of `onReady`.
 *
 * @example
 * await main(function* () {
 *   yield* fillCache();
 *   ready();
 *   yield* tcpServer(25000, handler);
 * }, { ready: 'manual' });
 */
export function ready(): void {
  currentWorld().program?.becomeReady();
}
