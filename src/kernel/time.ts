/** The time of the scheduler that runs the calling task. */
import { currentRecord } from './current.ts';

/** Milliseconds since the scheduler began: monotonic, fractional. Virtual in a simulation. */
export function now(): number {
  return currentRecord().scheduler.now();
}
