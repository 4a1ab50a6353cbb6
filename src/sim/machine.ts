/** A simulated host: its name, its address and its program stay, its lives come and go. */
import type { OperationSource } from '../kernel/operation.ts';
import type { HeardSignal, Metric, Platform } from '../world/platform.ts';
import type { Life } from './life.ts';
import { withoutProcesses } from './without-processes.ts';
import type { Host } from './world.ts';

/** Lines of standard error that are kept of a host. */
const MOST_LINES = 1000;

/** What a task is ended with when its program has ended the process. */
export class ProcessExit extends Error {}

export class Machine implements Host, Platform {
  readonly name: string;
  /** The number of the host in its world, from 0, in the order in which they were added. */
  readonly index: number;
  readonly program: OperationSource<unknown>;
  readonly clockRate: number;
  address = '';
  life: Life | null = null;
  exitCode: number | undefined = undefined;
  readonly lines: string[] = [];
  readonly parallelism = 1;
  readonly parent = undefined;
  readonly #hearers: Hearer[] = [];
  /** Ends the life: what `exit` does beside not returning. */
  readonly #ended: (machine: Machine) => void;

  constructor(identity: MachineIdentity, ended: (machine: Machine) => void) {
    this.name = identity.name;
    this.index = identity.index;
    this.program = identity.program;
    this.clockRate = identity.clockRate;
    this.#ended = ended;
  }

  get running(): boolean {
    return this.life !== null;
  }

  // ---- Platform ----

  /** The same in every life. */
  get pid(): number {
    return this.index + 1;
  }

  /** There are no variables. */
  environment(): undefined {}

  unsetEnvironment(): void {}

  onSignal(signal: HeardSignal, heard: () => void): () => void {
    const hearer: Hearer = { signal, heard };
    this.#hearers.push(hearer);
    return () => {
      const index = this.#hearers.indexOf(hearer);
      if (index >= 0) this.#hearers.splice(index, 1);
    };
  }

  /** There is no service manager. */
  notify(): void {}

  metricsPage(_metrics: readonly Metric[], done: (error: unknown, page: string) => void): void {
    done(withoutProcesses('write a page of metrics'), '');
  }

  holdListeners(): never {
    throw withoutProcesses('hold listeners for others');
  }

  holdInherited(): never {
    throw withoutProcesses('hold listeners for others');
  }

  startWorker(): never {
    throw withoutProcesses('start a process');
  }

  report(line: string): void {
    if (this.lines.length < MOST_LINES) this.lines.push(line);
  }

  setExitCode(code: number): void {
    this.exitCode = code;
  }

  exit(code: number): never {
    this.exitCode = code;
    this.#ended(this);
    throw new ProcessExit(`The program of host '${this.name}' has ended the process`);
  }

  /** False: nobody listens for it, so the system ends the process. */
  hear(signal: HeardSignal): boolean {
    const hearers = this.#hearers.filter((hearer) => hearer.signal === signal);
    for (const { heard } of hearers) heard();
    return hearers.length > 0;
  }

  /** A new process: nobody listens, and there is no exit code. */
  reset(): void {
    this.#hearers.length = 0;
    this.exitCode = undefined;
  }
}

/** Who listens for a signal. */
interface Hearer {
  readonly signal: HeardSignal;
  readonly heard: () => void;
}

export interface MachineIdentity {
  readonly name: string;
  readonly index: number;
  readonly program: OperationSource<unknown>;
  readonly clockRate: number;
}
