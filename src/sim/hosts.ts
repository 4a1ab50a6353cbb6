/** The hosts of a world: how their processes start and end. */
import type { OperationSource } from '../kernel/operation.ts';
import type { HostNetwork, NetworkModel } from './core.ts';
import { SimHost } from './host.ts';
import { SimProcess } from './process.ts';
import type { Simulator } from './simulator.ts';

const CANCEL_REASON = 'the scenario has returned';

export class Hosts {
  readonly #simulator: Simulator;
  readonly #byName = new Map<string, SimHost>();
  readonly network: NetworkModel;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
    const { makeNetwork, link } = simulator.settings;
    this.network = makeNetwork(simulator, { link });
  }

  find(name: string): SimHost | undefined {
    return this.#byName.get(name);
  }

  /** Adds a host and starts its program. */
  add(name: string, program: OperationSource<unknown>, clockRate: number): SimHost {
    const { hosts } = this.#simulator;
    const identity = { name, program, clockRate, index: hosts.length };
    const host = new SimHost(identity, (exiting) => this.#onExit(exiting));
    const network = this.network.addHost(name);
    host.address = network.address;
    hosts.push(host);
    this.#byName.set(name, host);
    this.#startProcess(host, network);
    return host;
  }

  /** Starts a new process on a host whose process has ended. */
  start(host: SimHost): void {
    host.resetProcessState();
    this.#startProcess(host, this.network.restart(host.name));
  }

  #startProcess(host: SimHost, network: HostNetwork): void {
    const simulator = this.#simulator;
    const { name: mainName = 'main' } = simulator.settings;
    const proc = new SimProcess(host, simulator, network);
    host.process = proc;
    simulator.processes = [...simulator.processes, proc];
    this.#trace('start', host);
    proc.scheduler.start(host.program, host.index === 0 ? mainName : host.name);
    // Cleanup may start hosts as well. They have to end with the others.
    if (simulator.runState.unwinding) proc.scheduler.main?.cancel(CANCEL_REASON);
  }

  /** Kills the process: its tasks never run again, and its peers receive a reset. */
  crash(host: SimHost): void {
    this.#removeProcess(host);
    this.network.crash(host.name);
  }

  /** Ends the process. The system closes the sockets that it left open. */
  exit(host: SimHost): void {
    const { process: proc } = host;
    if (proc === null) return;
    this.#trace('exit', host);
    this.#removeProcess(host);
    proc.network.close();
  }

  /** The host of the scenario does not exit: its program fails with the error of `exit`. */
  #onExit(host: SimHost): void {
    if (host.index > 0) this.exit(host);
  }

  /** Cancels every program, after the scenario has returned. */
  cancelAll(): void {
    for (const { scheduler } of this.#simulator.processes) scheduler.main?.cancel(CANCEL_REASON);
  }

  #removeProcess(host: SimHost): void {
    host.process?.end();
    host.process = null;
    this.#simulator.processes = this.#simulator.processes.filter(({ ended }) => !ended);
  }

  #trace(kind: string, host: SimHost): void {
    this.#simulator.trace(kind, host.name, '', host.index, () => `host '${host.name}'`);
  }

  /** Removes every process at the end of a run. */
  removeAll(): void {
    for (const host of this.#simulator.hosts) this.#removeProcess(host);
  }
}
