/**
 * The process that a program runs in. A simulated world has no process: members that it lacks throw
 * ERR_UNSUPPORTED.
 */
import type { Endpoint } from './network.ts';

/** The signals that stop a program. */
export type StopSignal = 'SIGINT' | 'SIGTERM';

/** The signals that a program can observe. */
export type ObservedSignal = StopSignal | 'SIGHUP' | 'SIGUSR2';

/** The parameters of a process with the same runtime. */
export interface WorkerStart {
  /** The module that it runs: a path or a file: URL. */
  readonly module: string;
  /** Command-line arguments after the module. */
  readonly args?: readonly string[];
  /** Variables added to the environment of this process; `undefined` removes a variable. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Descriptors that it inherits: the first as 3, the next as 4, …. They also stay open here. */
  readonly descriptors?: readonly number[];
}

/** How a process ended: an exit code, a signal, or the error that prevented its start. */
export interface WorkerExit {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error?: Error;
}

/** Callbacks about a process. Called from the event loop, never inside `startWorker`. */
export interface WorkerEvents {
  onMessage(message: unknown): void;
  /** Called once, last. */
  onExit(exit: WorkerExit): void;
}

/** A process that this one started. When this process ends, its channel closes, and it ends too. */
export interface WorkerProcess {
  /** `undefined`: it could not be started; `onExit` reports the error. */
  readonly pid: number | undefined;
  /** Sends a JSON value. False: the process does not read, or has ended; the message is lost. */
  send(message: unknown): boolean;
  kill(signal: StopSignal | 'SIGHUP' | 'SIGKILL'): void;
}

/** The process that started this one with `startWorker`. */
export interface ParentProcess {
  /** As `WorkerProcess.send`. */
  send(message: unknown): boolean;
  /** Calls `listener` for every message, until the returned function is called. */
  onMessage(listener: (message: unknown) => void): () => void;
  /** Calls `listener` once, when the parent ends or closes the channel, unless the returned
   *  function was called before. */
  onDisconnect(listener: () => void): () => void;
}

/**
 * Listening sockets at one address that this process keeps open for others. This process accepts
 * nothing on them.
 */
export interface SharedListeners {
  /** The bound address, with the real port if 0 was requested. */
  readonly local: Endpoint;
  /** One for each worker if the system distributes connections among several sockets, otherwise
   *  one. */
  readonly descriptors: readonly number[];
  /** True: each descriptor has a queue of its own, and a worker that inherits several of them can
   *  accept from each. Absent: false. */
  readonly separateQueues?: boolean;
  /** Closes them. Idempotent. Connections in their queues are reset, unless another process has the
   *  sockets open. */
  close(): void;
}

/** A metric in the Prometheus data model. */
export interface Metric {
  /** The value of a `counter` never decreases while the process runs. */
  readonly kind: 'counter' | 'gauge';
  /** [a-zA-Z_:][a-zA-Z0-9_:]*. */
  readonly name: string;
  readonly help: string;
  readonly samples: readonly MetricSample[];
}

/** One value of a metric, identified by its labels. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** How a number in the stats of a source is shown as a metric. */
export interface MetricDefinition {
  readonly kind: Metric['kind'];
  readonly help: string;
  /** 'milliseconds': the metric is shown in seconds. */
  readonly unit?: 'milliseconds';
  /** How the values of several workers are combined. Default 'sum'. */
  readonly total?: 'sum' | 'maximum';
}

/**
 * Definitions by the names of the numbers: 'accepted', 'handshakes.pending', or 'closed' for all
 * numbers in the record `closed`. A number without a definition is a gauge.
 */
export type MetricDefinitions = Readonly<Record<string, MetricDefinition>>;

/** A channel of node:diagnostics_channel, or an equivalent. */
export interface DiagnosticsChannel {
  /** False: no subscriber, so the message need not be created. */
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

/** The process of a program, its processor time and its memory. */
export interface ProcessUsage {
  /** The title that the process has set, otherwise the name of the program's file. */
  readonly title: string;
  /** The versions of Node and of this package: 'v22.11.0', '0.1.0'. */
  readonly node: string;
  readonly coronet: string;
  /** Since the process started, in milliseconds. */
  readonly uptimeMs: number;
  /** Processor time, in milliseconds. */
  readonly cpu: { readonly userMs: number; readonly systemMs: number };
  /** Resident memory and the used part of the JavaScript heap, in bytes. */
  readonly memory: { readonly rss: number; readonly heapUsed: number };
}

/** The process that a program runs in. */
export interface Platform {
  /** The id of this process. */
  readonly pid: number;
  /** The value of an environment variable. */
  environment(name: string): string | undefined;
  /** Removes an environment variable; processes that are started later do not inherit it. */
  unsetEnvironment(name: string): void;
  /** Calls `listener` for every such signal until the returned function is called. Until then the
   *  signal has no other effect. */
  onSignal(signal: ObservedSignal, listener: () => void): () => void;
  /** Whether the terminal of the process was closed, which it also reports with SIGHUP. Absent:
   *  never. */
  terminalLost?(): boolean;
  /** Sends lines such as 'READY=1' to the service manager (NOTIFY_SOCKET, sd_notify(3)). Does
   *  nothing without one. */
  notify(lines: string): void;
  /** The metrics page as Prometheus text: the metrics of the process, and `metrics`. Calls `done`
   *  once, after this call has returned. */
  metricsPage(metrics: readonly Metric[], done: (error: unknown, page: string) => void): void;
  /**
   * Listens at `at` for processes that inherit the descriptors. Where the system supports it, opens
   * up to `max` sockets that share the port, so that each process has its own queue. Errors: those
   * of listening; ERR_UNSUPPORTED.
   */
  shareListeners(at: Endpoint, max: number): SharedListeners;
  /**
   * Shares the listener that this process inherited as `fd`. The listener is not changed and stays
   * open. `local` is the path '' where the system does not report the address. Errors: EBADF,
   * ENOTSOCK, EINVAL (it does not listen); ERR_UNSUPPORTED.
   */
  shareInherited(fd: number): SharedListeners;
  /** A second descriptor of a listener that this process has inherited; `undefined`: none is
   *  available. Absent: this platform cannot. */
  duplicateDescriptor?(fd: number): number | undefined;
  /** Closes an inherited descriptor that no listener owns. */
  closeDescriptor?(fd: number): void;
  /** Starts a process with the same runtime and a message channel. */
  startWorker(start: WorkerStart, events: WorkerEvents): WorkerProcess;
  /** The process that started this one with `startWorker`. */
  readonly parent: ParentProcess | undefined;
  /** `count` bytes from a cryptographic source; in a simulation, from the seed. */
  randomBytes(count: number): Uint8Array;
  /** Absent: not known. */
  usage?(): ProcessUsage;
  /** The number of threads that the machine can run in parallel. */
  readonly parallelism: number;
  /** Writes one line to standard error. */
  report(line: string): void;
  /** A handler of a server without `onError` has failed, which a line on standard error reports as
   *  well. `reason` is the error and the line that threw it. Absent: that line is all. */
  handlerFailed?(reason: string): void;
  /** Sets the exit code of the process. */
  setExitCode(code: number): void;
  /** Ends the process at once. */
  exit(code: number): never;
  /** Whether a debugger can stop this process now. Absent: never. */
  inspected?(): boolean;
  /** The channel of that name. Absent if the platform has none. */
  channel?(name: string): DiagnosticsChannel;
}
