/** A failed run as it goes from thread to thread and into JSON. */
import { show } from '../../kernel/checks.ts';
import type { TraceEvent } from '../../sim/core.ts';
import type { ShrunkRun, SimulationError } from '../../sim/errors.ts';

/** What was thrown, as far as it can be told. */
export interface ThrownRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly invariant?: string;
  readonly stack?: string;
}

export interface FailureRecord {
  /** 'ERR_SIMULATION' or 'ERR_NOT_DETERMINISTIC'. */
  readonly code: string;
  readonly seed: number;
  /** Which of the runs it was, from 0. */
  readonly run: number;
  readonly order: string;
  readonly error: ThrownRecord;
  readonly virtualMs: number;
  readonly steps: number;
  readonly traceHash: string;
  readonly events: readonly TraceEvent[];
  readonly tasks: readonly string[];
  readonly replay: string | null;
  readonly shrunk: (Omit<ShrunkRun, 'error'> & { readonly error: ThrownRecord }) | null;
  /** The story, for people. */
  readonly message: string;
}

export function failureRecord(failure: SimulationError): FailureRecord {
  const { code, seed, run, order, virtualMs, steps, traceHash, events, tasks, message } = failure;
  const { shrunk, replay = null } = failure;
  return {
    ...{ code, seed, run, order, error: thrownRecord(failure.error) },
    ...{ virtualMs, steps, traceHash, events, tasks, replay },
    shrunk: shrunk === undefined ? null : { ...shrunk, error: thrownRecord(shrunk.error) },
    message,
  };
}

function thrownRecord(thrown: unknown): ThrownRecord {
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: show(thrown) };
  const { name, message, stack } = thrown;
  const { code, invariant } = thrown as { readonly code?: unknown; readonly invariant?: unknown };
  return {
    name: String(name),
    message: String(message),
    ...(code === undefined ? {} : { code: String(code) }),
    ...(invariant === undefined ? {} : { invariant: String(invariant) }),
    ...(stack === undefined ? {} : { stack: String(stack) }),
  };
}
