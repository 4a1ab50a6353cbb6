/** A simulated host: its name, its address and its program stay, its lives come and go. */
import type { OperationSource } from '../kernel/operation.ts';
import type { Metric, ObservedSignal, Platform } from '../world/platform.ts';
import { unsupportedBySimulatedHost } from './errors.ts';
import type { SimProcess } from './process.ts';
import type { Host } from './world.ts';

/** Lines of standard error that are kept of a host. */
const MAX_LINES = 1000;

/** What a task is ended with when its program has ended the process. */
export class ProcessExit extends Error {}

export class SimHost implements Host, Platform {
  readonly name: string;
  /** The number of the host in its world, from 0, in the order in which they were added. */
  readonly index: number;
  readonly program: OperationSource<unknown>;
  readonly clockRate: number;
  address = '';
  process: SimProcess | null = null;
  exitCode: number | undefined = undefined;
  readonly lines: string[] = [];
  readonly parallelism = 1;
  readonly parent = undefined;
  readonly #signalListeners: SignalListener[] = [];
  /** Ends the life: what `exit` does beside not returning. */
  readonly #onExit: (machine: SimHost) => void;

  constructor(identity: HostIdentity, ended: (machine: SimHost) => void) {
    this.name = identity.name;
    this.index = identity.index;
    this.program = identity.program;
    this.clockRate = identity.clockRate;
    this.#onExit = ended;
  }

  get running(): boolean {
    return this.process !== null;
  }

  // ---- Platform ----

  /** The same in every life. */
  get pid(): number {
    return this.index + 1;
  }

  /** There are no variables. */
  environment(): undefined {}

  unsetEnvironment(): void {}

  onSignal(signal: ObservedSignal, heard: () => void): () => void {
    const hearer: SignalListener = { signal, onSignal: heard };
    this.#signalListeners.push(hearer);
    return () => {
      const index = this.#signalListeners.indexOf(hearer);
      if (index >= 0) this.#signalListeners.splice(index, 1);
    };
  }

  /** There is no service manager. */
  notify(): void {}

  metricsPage(_metrics: readonly Metric[], done: (error: unknown, page: string) => void): void {
    done(unsupportedBySimulatedHost('write a page of metrics'), '');
  }

  shareListeners(): never {
    throw unsupportedBySimulatedHost('hold listeners for others');
  }

  shareInherited(): never {
    throw unsupportedBySimulatedHost('hold listeners for others');
  }

  startWorker(): never {
    throw unsupportedBySimulatedHost('start a process');
  }

  report(line: string): void {
    if (this.lines.length < MAX_LINES) this.lines.push(line);
  }

  setExitCode(code: number): void {
    this.exitCode = code;
  }

  exit(code: number): never {
    this.exitCode = code;
    this.#onExit(this);
    throw new ProcessExit(`The program of host '${this.name}' has ended the process`);
  }

  /** False: nobody listens for it, so the system ends the process. */
  deliverSignal(signal: ObservedSignal): boolean {
    const hearers = this.#signalListeners.filter((hearer) => hearer.signal === signal);
    for (const { onSignal } of hearers) onSignal();
    return hearers.length > 0;
  }

  /** A new process: nobody listens, and there is no exit code. */
  resetProcessState(): void {
    this.#signalListeners.length = 0;
    this.exitCode = undefined;
  }
}

/** Who listens for a signal. */
interface SignalListener {
  readonly signal: ObservedSignal;
  readonly onSignal: () => void;
}

export interface HostIdentity {
  readonly name: string;
  readonly index: number;
  readonly program: OperationSource<unknown>;
  readonly clockRate: number;
}
