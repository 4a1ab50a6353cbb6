/**
 * Fault scenarios: each one runs a real server in its own process with hostile clients or failing
 * system calls. A scenario throws if the server ends, hangs, leaks or loses a byte of a response;
 * otherwise it returns measurements. Linux only: they come from proc(5).
 */
import { abandoned } from './abandoned.mjs';
import { descriptorExhaustion } from './descriptor-exhaustion.mjs';
import { disconnectOffsets } from './disconnect-offsets.mjs';
import { neverRead } from './never-read.mjs';
import { shortConnections } from './short-connections.mjs';
import { sigterm } from './sigterm.mjs';
import { slowloris } from './slowloris.mjs';
import { syscallErrors } from './syscall-errors.mjs';
import { workerKill } from './worker-kill.mjs';

export const scenarios = [
  slowloris,
  abandoned,
  neverRead,
  disconnectOffsets,
  descriptorExhaustion,
  shortConnections,
  sigterm,
  workerKill,
  syscallErrors,
];

/** The reason why `scenario` cannot run on `backend` here; `undefined` if it can. */
export function skipReason(scenario, backend) {
  if (process.platform !== 'linux') return 'measurements need proc(5) of Linux';
  if (scenario.backends?.includes(backend) === false) return `not applicable to ${backend}`;
  return scenario.skipReason?.();
}
