/** `trace`: runs a program and writes what its tasks do to a file, for Perfetto. */
import type { Hooks } from '../../kernel/hooks.ts';
import { combineHooks } from '../../kernel/hooks.ts';
import type { Operation, OperationSource } from '../../kernel/operation.ts';
import { isOperation, isPromise } from '../../kernel/operation.ts';
import { checkCount, wrongType } from '../../support/checks.ts';
import { TaskTracer } from './task-tracer.ts';

/** Options of `trace`. */
export interface TraceOptions {
  /** The path of the file. A file that exists is replaced. */
  readonly file: string | URL;
  /** The maximum number of events, about 120 bytes each. Default 500 000. Infinity: no limit. */
  readonly maxEvents?: number;
}

/** A program: an operation, or a function that runs one with the hooks that it gets. */
export type TracedProgram<T> = Operation<T> | ((hooks: Hooks) => Operation<T> | Promise<T>);

/** A file that is valid JSON after each write. */
export interface TraceFile {
  /** Adds an event. Errors of the file are kept for `close`. */
  readonly append: (event: string) => void;
  /** Writes what is left. Throws the first error of the file. */
  close(): void;
  /** Writes what is left. An error of the file is ignored: the program has failed as well. */
  abandon(): void;
}

/** The parts of the real process. */
interface TraceDependencies<O> {
  run<T>(op: OperationSource<T>, options: O): Promise<T>;
  open(file: string | URL): TraceFile;
}

export type Trace<O> = <T>(program: TracedProgram<T>, options: O & TraceOptions) => Promise<T>;

const DEFAULT_MAX_EVENTS = 500_000;

export function makeTrace<O extends { readonly hooks?: Hooks }>({
  run,
  open,
}: TraceDependencies<O>): Trace<O> {
  return async function trace<T>(program: TracedProgram<T>, options: O & TraceOptions): Promise<T> {
    if (typeof options !== 'object' || options === null) {
      throw wrongType('options', 'an object with the path of a file: { file }', options);
    }
    const { file, maxEvents = DEFAULT_MAX_EVENTS, hooks: others, ...rest } = options;
    checkArguments(program, file, maxEvents);
    const traceFile = open(file);
    const tracer = new TaskTracer(traceFile.append, maxEvents);
    let result: T;
    try {
      const hooks = combineHooks(tracer, others);
      const start = (op: Operation<T>) => run(op, { ...(rest as unknown as O), hooks });
      result = await startProgram(program, hooks, start);
    } catch (error) {
      tracer.end();
      traceFile.abandon();
      throw error;
    }
    tracer.end();
    traceFile.close();
    return result;
  };
}

function checkArguments(program: unknown, file: unknown, maxEvents: number): void {
  if (typeof program !== 'function' && !isOperation(program)) {
    throw wrongType('program', 'an operation or a function that returns one', program);
  }
  if (typeof file !== 'string' && !(file instanceof URL)) {
    throw wrongType('file', 'the path of a file', file);
  }
  checkCount('maxEvents', maxEvents, 1);
}

async function startProgram<T>(
  program: TracedProgram<T>,
  hooks: Hooks,
  start: (op: Operation<T>) => Promise<T>,
): Promise<T> {
  const started: unknown = typeof program === 'function' ? program(hooks) : program;
  if (isOperation(started)) return await start(started as Operation<T>);
  if (isPromise(started)) return await (started as Promise<T>);
  throw wrongType('program()', 'an operation or a promise', started);
}
