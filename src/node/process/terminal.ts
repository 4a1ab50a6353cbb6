/**
 * The terminal that a process was started from. When it is closed, its processes receive SIGHUP,
 * the signal with which a supervisor is also asked to reload. Only the terminal shows which of the
 * two it is.
 */
import { closeSync, openSync } from 'node:fs';

/** Standard input, output and error. */
const STREAMS = [0, 1, 2] as const;

/** `undefined`: `noteTerminal` was not called. */
let hadTerminal: boolean | undefined;

/**
 * Called before the first SIGHUP can be observed. A process whose streams are all redirected, as by
 * nohup(1), is to continue without the terminal.
 */
export function noteTerminal(): void {
  const { isatty } = process.getBuiltinModule('node:tty');
  hadTerminal ??= STREAMS.some((fd) => isatty(fd)) && hasControllingTerminal();
}

/** True if the process had a terminal, and has none now. */
export function terminalLost(): boolean {
  return hadTerminal === true && !hasControllingTerminal();
}

/** After a hangup the system returns ENXIO (tty(4)). */
function hasControllingTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
