/** `ready`: the program can serve. */
import { currentWorld } from '../../net/current-world.ts';

/**
 * Says that the program can serve: `onReady` of `main` is called, `/readyz` answers 200, and
 * systemd hears READY=1. Without it that is so once the first server listens; with
 * `main(op, { ready: 'manual' })` only now. Heard once, and not after
 * the first signal that ends the
 * program; nothing where the program does not run under `main`. To be called in a task.
 *
 * Errors: ERR_NO_TASK; what `onReady` throws.
 */
export function ready(): void {
  currentWorld().program?.becomeReady();
}
