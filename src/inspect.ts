/** coronet/inspect: the tasks of a running program, what each of them waits for, and traces. */
import type { Trace } from './inspect/trace/trace.ts';
import { makeTrace } from './inspect/trace/trace.ts';
import type { RunOptions } from './node/run.ts';
import { run } from './node/run.ts';
import { openTraceFile } from './node/trace-file.ts';

export { type FormatOptions, formatTaskTree } from './inspect/format.ts';
export type {
  ChannelView,
  ListenerView,
  LockView,
  ResourceViews,
  SocketsView,
  SocketWait,
} from './inspect/resources.ts';
export { type InspectSnapshot, inspectSnapshot, type SnapshotOptions } from './inspect/snapshot.ts';
export { StepTimes, type TaskTime } from './inspect/step-times.ts';
export type { TracedProgram, TraceOptions } from './inspect/trace/trace.ts';
export { type TaskNode, type TaskTree, type TaskTreeOptions, taskTree } from './inspect/tree.ts';
export type { ProcessUsage } from './world/platform.ts';

/**
 * Runs a program and writes what its tasks do to a file, in the Trace Event Format, which
 * https://ui.perfetto.dev opens: a process for each program, a track for each task, a slice for
 * each step and each wait, arrows from what wakes a task, and the instants spawn, recv, send,
 * cancel and finish. Resolves to the result of the program.
 *
 * `program` is an operation, or a function that gets the hooks and returns an operation or a
 * promise: `trace((hooks) => run(op, { hooks }), { file })`. The other options are those of `run`,
 * for an operation. At most `maxEvents` events are written, then the instant 'truncated'. The file
 * is valid JSON at any time, also when the program fails or a signal ends the process.
 *
 * A trace observes each step, which makes steps several times slower. For a simulated run use
 * `coronet sim FILE --trace out.json`.
 *
 * Rejects with the error of the program; with the error of the system if the file cannot be written
 * (ENOENT, EACCES, ENOSPC); with TypeError or RangeError for wrong arguments.
 *
 * @example
 * await trace(function* () {
 *   yield* tcpServer(25000, echo);
 * }, { file: 'server.json' });
 */
export const trace: Trace<RunOptions> = makeTrace({ run, open: openTraceFile });
