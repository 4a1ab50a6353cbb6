/**
 * Servers under fire: each scenario plays a real server, in a process of its own, against clients
 * or a system that do their worst. It throws if the server is brought down, hangs, keeps what it
 * should give back, or if a byte of an answer is lost; otherwise it gives the figures.
 *
 * Linux only: the figures of the server come from proc(5).
 */
import { abandoned } from './abandoned.mjs';
import { descriptors } from './descriptor-exhaustion.mjs';
import { offsets } from './disconnect-offsets.mjs';
import { neverRead } from './never-read.mjs';
import { shortConnections } from './short-connections.mjs';
import { sigterm } from './sigterm.mjs';
import { slowloris } from './slowloris.mjs';
import { injected } from './syscall-errors.mjs';
import { workerKill } from './worker-kill.mjs';

export const scenarios = [
  slowloris,
  abandoned,
  neverRead,
  offsets,
  descriptors,
  shortConnections,
  sigterm,
  workerKill,
  injected,
];

/** Why `scenario` cannot be played on `backend` here; `undefined`: it can. */
export function whyNot(scenario, backend) {
  if (process.platform !== 'linux') return 'only Linux tells the figures of a process (proc(5))';
  if (scenario.backends?.includes(backend) === false) return `it says nothing about ${backend}`;
  return scenario.unable?.();
}
