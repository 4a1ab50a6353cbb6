/** Process warnings that a test expects. */
import { setImmediate as nextLoop } from 'node:timers/promises';

export interface ProcessWarning extends Error {
  readonly code?: string;
  readonly detail?: string;
}

/**
 * Runs `body` and returns the warnings that the process emits; Node does not print them. Leaves out
 * that of a machine without the addon, which the first use of a network emits.
 */
export async function warningsOf(
  body: () => Promise<unknown> | unknown,
): Promise<ProcessWarning[]> {
  const warnings: ProcessWarning[] = [];
  // One of them prints every warning.
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  process.on('warning', (warning) => void warnings.push(warning));
  try {
    await body();
    await nextLoop(); // `emitWarning` emits in the next tick.
  } finally {
    process.removeAllListeners('warning');
    for (const listener of listeners) process.on('warning', listener);
  }
  return warnings.filter(({ code }) => code !== 'CORONET_PORTABLE');
}
