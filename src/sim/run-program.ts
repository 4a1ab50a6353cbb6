/** `runSimulated`: one program on one simulated host, like `run`, on virtual time. */
import type { OperationSource } from '../kernel/operation.ts';
import { checkSource } from '../kernel/operation.ts';
import type { Keys } from '../support/checks.ts';
import { checkKeys } from '../support/checks.ts';
import type { SimDependencies, SimOptions } from './options.ts';
import { planOf } from './options.ts';
import { runOnce } from './run-once.ts';

/** The options of `runSimulated`: those of `simulate` that apply to a single run, and these. */
export interface ProgramOptions
  extends Omit<SimOptions, 'runs' | 'checkDeterminism' | 'shrink' | 'replay'> {
  /** The name of the main task. Default: 'main'. */
  readonly name?: string;
  /** Aborting it cancels the main task, as with `run`. */
  readonly signal?: AbortSignal;
  /**
   * Receives problems that no task can receive. Default: errors fail the run, and warnings
   * (sockets left open, operations never driven) are ignored, as failures of handlers always are.
   */
  readonly warn?: (problem: unknown) => void;
}

const PROGRAM_KEYS: Keys<ProgramOptions> = {
  seed: true,
  order: true,
  pctDepth: true,
  link: true,
  faults: true,
  maxVirtualMs: true,
  maxSteps: true,
  hooks: true,
  debug: true,
  name: true,
  signal: true,
  warn: true,
};

export type RunSimulated = <T>(op: OperationSource<T>, options?: ProgramOptions) => Promise<T>;

export function makeRunSimulated(dependencies: SimDependencies): RunSimulated {
  const { realProcess } = dependencies;
  return async (op, options = {}) => {
    checkSource(op);
    checkKeys('options', options, PROGRAM_KEYS);
    const { warn, signal, name, ...rest } = options;
    const settings = { ...planOf(rest, dependencies).settings, warn, signal, name };
    await realProcess.yieldToEventLoop();
    const result = await runOnce(
      () => (typeof op === 'function' ? op() : op),
      settings,
      realProcess,
    );
    if (result.failure !== null) throw result.failure.error;
    // The scenario returns the value of `op`.
    return result.value as never;
  };
}
