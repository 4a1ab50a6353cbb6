/** One program on one simulated host, to its own result: as `run`, on virtual time. */
import type { OperationSource } from '../kernel/operation.ts';
import { checkSource, operationOf } from '../kernel/operation.ts';
import type { SimOptions } from './options.ts';
import { planOf } from './options.ts';
import { runOnce } from './run-once.ts';
import type { SimDependencies } from './simulate.ts';

/** What `runSimulated` can be told: what `simulate` can, of one run. */
export interface ProgramOptions
  extends Omit<SimOptions, 'runs' | 'checkDeterminism' | 'shrink' | 'replay'> {
  /** The name of the main task. Default: 'main'. */
  readonly name?: string;
  /** Aborting it cancels the main task, as with `run`. */
  readonly signal?: AbortSignal;
  /**
   * Told of what no task is left to receive. Default: sockets left open are not told of, and
   * errors fail the run.
   */
  readonly warn?: (problem: unknown) => void;
}

export type RunSimulated = <T>(op: OperationSource<T>, options?: ProgramOptions) => Promise<T>;

export function makeRunSimulated(parts: SimDependencies): RunSimulated {
  return async (op, options = {}) => {
    checkSource(op);
    const { warn, signal, name, ...rest } = options;
    const { settings } = planOf(rest, parts.makeNetwork, parts.debug());
    const run = {
      ...settings,
      ...(warn === undefined ? {} : { warn }),
      ...(signal === undefined ? {} : { signal }),
      ...(name === undefined ? {} : { name }),
    };
    await parts.realProcess.yieldToEventLoop();
    const result = await runOnce(() => operationOf(op), run, parts.realProcess);
    if (result.failure !== null) throw result.failure.error;
    // The value of the scenario is that of `op`.
    return result.value as never;
  };
}
