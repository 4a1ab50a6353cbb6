/** The hosts of a world: how their processes begin and end. */
import type { OperationSource } from '../kernel/operation.ts';
import type { HostNetwork, NetworkModel } from './core.ts';
import { SimHost } from './host.ts';
import { SimProcess } from './process.ts';
import type { Simulator } from './simulator.ts';

/** Why programs are cancelled. */
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
    const machine = new SimHost(identity, (ended) => this.#onExit(ended));
    const network = this.network.addHost(name);
    machine.address = network.address;
    hosts.push(machine);
    this.#byName.set(name, machine);
    this.#startProcess(machine, network);
    return machine;
  }

  /** A new process runs the program of a host whose process has ended. */
  start(machine: SimHost): void {
    machine.resetProcessState();
    this.#startProcess(machine, this.network.restart(machine.name));
  }

  #startProcess(machine: SimHost, network: HostNetwork): void {
    const simulator = this.#simulator;
    const { hooks, debug, name: mainName = 'main' } = simulator.settings;
    const life = new SimProcess(machine, simulator, network, { hooks, debug });
    machine.process = life;
    simulator.processes.push(life);
    this.#trace('start', machine);
    life.scheduler.start(machine.program, machine.index === 0 ? mainName : machine.name);
    // Cleanup may start hosts, too; they have to end with the others.
    if (simulator.runState.unwinding) life.scheduler.main?.cancel(CANCEL_REASON);
  }

  /** The process is killed: nothing of it happens any more, its peers get a reset. */
  crash(machine: SimHost): void {
    this.#removeProcess(machine);
    this.network.crash(machine.name);
  }

  /** The process ends: the system closes what it has left open. */
  exit(machine: SimHost): void {
    const { process: proc } = machine;
    if (proc === null) return;
    this.#trace('exit', machine);
    this.#removeProcess(machine);
    proc.network.close();
  }

  /** The run needs its scenario: there, the error that `exit` throws has to do. */
  #onExit(machine: SimHost): void {
    if (machine.index > 0) this.exit(machine);
  }

  /** The scenario has returned: every program is asked to end. */
  cancelAll(): void {
    for (const { scheduler } of [...this.#simulator.processes])
      scheduler.main?.cancel(CANCEL_REASON);
  }

  #removeProcess(machine: SimHost): void {
    const { process: proc } = machine;
    const { processes } = this.#simulator;
    if (proc === null) return;
    proc.end();
    machine.process = null;
    processes.splice(processes.indexOf(proc), 1);
  }

  #trace(kind: string, machine: SimHost): void {
    this.#simulator.trace(kind, machine.name, '', machine.index, () => `host '${machine.name}'`);
  }

  /** Every run is over, however: nothing of it is left behind. */
  removeAll(): void {
    for (const machine of this.#simulator.hosts) this.#removeProcess(machine);
  }
}
