/** The hosts of a world: how their processes begin and end. */
import type { OperationSource } from '../kernel/operation.ts';
import { Life } from './life.ts';
import { Machine } from './machine.ts';
import type { HostNetwork, Medium } from './medium.ts';
import type { Simulator } from './simulator.ts';

/** Why programs are cancelled. */
const ENDED = 'the scenario has returned';

export class Hosts {
  readonly #simulator: Simulator;
  readonly #byName = new Map<string, Machine>();
  readonly medium: Medium;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
    const { makeMedium, link } = simulator.settings;
    this.medium = makeMedium(simulator, { link });
  }

  find(name: string): Machine | undefined {
    return this.#byName.get(name);
  }

  /** Adds a host and starts its program. */
  add(name: string, program: OperationSource<unknown>, clockRate: number): Machine {
    const { machines } = this.#simulator;
    const identity = { name, program, clockRate, index: machines.length };
    const machine = new Machine(identity, (ended) => this.#exitItself(ended));
    const network = this.medium.addHost(name);
    machine.address = network.address;
    machines.push(machine);
    this.#byName.set(name, machine);
    this.#begin(machine, network);
    return machine;
  }

  /** A new process runs the program of a host whose process has ended. */
  start(machine: Machine): void {
    machine.reset();
    this.#begin(machine, this.medium.restart(machine.name));
  }

  #begin(machine: Machine, network: HostNetwork): void {
    const simulator = this.#simulator;
    const { hooks, debug, name: mainName = 'main' } = simulator.settings;
    const life = new Life(machine, simulator, network, { hooks, debug });
    machine.life = life;
    simulator.lives.push(life);
    this.#note('start', machine);
    life.scheduler.start(machine.program, machine.index === 0 ? mainName : machine.name);
    // Cleanup may start hosts, too; they have to end with the others.
    if (simulator.course.unwinding) life.scheduler.main?.cancel(ENDED);
  }

  /** The process is killed: nothing of it happens any more, its peers get a reset. */
  crash(machine: Machine): void {
    this.#drop(machine);
    this.medium.crash(machine.name);
  }

  /** The process ends: the system closes what it has left open. */
  exit(machine: Machine): void {
    const { life } = machine;
    if (life === null) return;
    this.#note('exit', machine);
    this.#drop(machine);
    life.network.close();
  }

  /** The run needs its scenario: there, the error that `exit` throws has to do. */
  #exitItself(machine: Machine): void {
    if (machine.index > 0) this.exit(machine);
  }

  /** The scenario has returned: every program is asked to end. */
  cancelAll(): void {
    for (const { scheduler } of [...this.#simulator.lives]) scheduler.main?.cancel(ENDED);
  }

  #drop(machine: Machine): void {
    const { life } = machine;
    const { lives } = this.#simulator;
    if (life === null) return;
    life.end();
    machine.life = null;
    lives.splice(lives.indexOf(life), 1);
  }

  #note(kind: string, machine: Machine): void {
    this.#simulator.trace(kind, machine.name, '', machine.index, () => `host '${machine.name}'`);
  }

  /** Every run is over, however: nothing of it is left behind. */
  end(): void {
    for (const machine of this.#simulator.machines) this.#drop(machine);
  }
}
