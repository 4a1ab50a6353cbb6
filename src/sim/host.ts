/** A simulated host: name, address and program are permanent; processes start and end. */
import type { OperationSource } from '../kernel/operation.ts';
import type { Metric, ObservedSignal, Platform } from '../world/platform.ts';
import { unsupportedBySimulatedHost } from './errors.ts';
import type { SimProcess } from './process.ts';
import type { Host } from './world.ts';

/** The maximum number of lines of standard error that are kept per host. */
const MAX_LINES = 1000;

/** Ends the task whose program called `exit`. */
class ProcessExit extends Error {}

export class SimHost implements Host, Platform {
  readonly name: string;
  /** The number of the host in its world, from 0, in order of creation. */
  readonly index: number;
  readonly program: OperationSource<unknown>;
  readonly clockRate: number;
  address = '';
  process: SimProcess | null = null;
  exitCode: number | undefined = undefined;
  readonly lines: string[] = [];
  readonly parallelism = 1;
  readonly parent = undefined;
  #signalListeners: { readonly signal: ObservedSignal; readonly onSignal: () => void }[] = [];

  constructor(name: string, index: number, program: OperationSource<unknown>, clockRate: number) {
    this.name = name;
    this.index = index;
    this.program = program;
    this.clockRate = clockRate;
  }

  get running(): boolean {
    return this.process !== null;
  }

  // ---- Platform ----

  /** The same for every process of the host. */
  get pid(): number {
    return this.index + 1;
  }

  /** A simulated process has no environment variables. */
  environment(): undefined {}

  unsetEnvironment(): void {}

  onSignal(signal: ObservedSignal, onSignal: () => void): () => void {
    const listener = { signal, onSignal };
    this.#signalListeners.push(listener);
    return () => {
      this.#signalListeners = this.#signalListeners.filter((each) => each !== listener);
    };
  }

  /** A simulated host has no service manager. */
  notify(): void {}

  metricsPage(_metrics: readonly Metric[], done: (error: unknown, page: string) => void): void {
    done(unsupportedBySimulatedHost('write a page of metrics'), '');
  }

  randomBytes(count: number): Uint8Array {
    const running = this.process;
    if (running === null) throw unsupportedBySimulatedHost('draw random bytes while it is down');
    return Uint8Array.from({ length: count }, () => Math.floor(running.random() * 256));
  }

  shareListeners(): never {
    throw unsupportedBySimulatedHost('share listeners');
  }

  shareInherited(): never {
    throw unsupportedBySimulatedHost('share listeners');
  }

  startWorker(): never {
    throw unsupportedBySimulatedHost('start a process');
  }

  report(line: string): void {
    if (this.lines.length < MAX_LINES) this.lines.push(line);
  }

  handlerFailed(reason: string): void {
    this.process?.handlerFailed(reason);
  }

  setExitCode(code: number): void {
    this.exitCode = code;
  }

  exit(code: number): never {
    this.exitCode = code;
    this.process?.exit();
    throw new ProcessExit(`The program of host '${this.name}' has ended the process`);
  }

  /** Calls the listeners of a signal. False: there are none, so the signal ends the process. */
  deliverSignal(signal: ObservedSignal): boolean {
    const listeners = this.#signalListeners.filter((listener) => listener.signal === signal);
    for (const { onSignal } of listeners) onSignal();
    return listeners.length > 0;
  }

  /** The state of a new process: no signal listeners, no exit code. */
  resetProcessState(): void {
    this.#signalListeners = [];
    this.exitCode = undefined;
  }
}
