/**
 * The course of a run, and how it ends.
 *
 *   scenario ───► settling ───► unwinding ───► ended
 *      │  returned    │ what `eventually`  │ the hosts were cancelled
 *      │              │ waits for is true  │ and have ended
 *      └──────────────┴────────────────────┴──► failed, and ended at once
 *
 * A failure stops the run where it is: no task makes another step, so what the failure shows is
 * the world as it was.
 */
import { conclude } from '../kernel/conclude.ts';
import { CoronetError, DeadlockError } from '../kernel/errors.ts';
import { SimulationLimitError } from './errors.ts';
import { Hosts } from './hosts.ts';
import type { Life } from './life.ts';
import type { Machine } from './machine.ts';
import type { Simulator } from './simulator.ts';
import { taskLines, tasksOf } from './task-lines.ts';

/** Virtual milliseconds in which the hosts have to end, once they were cancelled. */
const UNWIND_MS = 60_000;
/** Different warnings that are kept of a run. */
const MOST_WARNINGS = 100;
/** Problems that are told, but do not fail a run. */
const HARMLESS = new Set<unknown>(['ERR_LEFT_OPEN', 'ERR_LONG_STEP', 'ERR_NOT_DRIVEN']);

/** Why a run has failed, and what was there at that moment. */
export interface Failure {
  readonly error: unknown;
  /** The host whose program failed; '' if it was no program. */
  readonly host: string;
  readonly tasks: readonly string[];
}

export class Course {
  readonly hosts: Hosts;
  readonly warnings: Set<string> = new Set();
  ended = false;
  failure: Failure | null = null;
  /** What the scenario gave. */
  value: unknown = undefined;
  /** True once the process around had a part in the run. */
  touchedOutside = false;
  /** True: the next jump happens although a task waits for the process around. */
  letTimePass = false;
  readonly #simulator: Simulator;
  #phase: 'scenario' | 'settling' | 'unwinding' = 'scenario';
  #unwindBy = Infinity;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
    this.hosts = new Hosts(simulator);
  }

  /** True once the programs were asked to end. */
  get unwinding(): boolean {
    return this.#phase === 'unwinding';
  }

  // ---- failing ----

  /** The first failure counts. */
  fail(error: unknown, machine?: Machine): void {
    if (this.failure !== null) return;
    const host = machine?.name ?? '';
    this.failure = { error, host, tasks: taskLines(this.#simulator.lives) };
    this.ended = true;
  }

  /** Something that no task is left to receive. */
  problem(machine: Machine, problem: unknown): void {
    const { warn } = this.#simulator.settings;
    if (warn !== undefined) return warn(problem);
    if (!HARMLESS.has((problem as { code?: unknown } | null)?.code)) {
      return this.fail(problem, machine);
    }
    if (this.warnings.size < MOST_WARNINGS) {
      this.warnings.add(`${machine.name}: ${(problem as Error).message}`);
    }
  }

  tooManySteps(): void {
    const { maxSteps } = this.#simulator.settings;
    this.#overLimit('ERR_SIMULATION_LIMIT', `The run has not ended after ${maxSteps} steps`);
  }

  #overLimit(code: string, text: string): void {
    const lines = taskLines(this.#simulator.lives).map((line) => `  ${line}`);
    this.fail(new SimulationLimitError(code, [`${text}.`, 'The tasks:', ...lines].join('\n')));
  }

  // ---- ends of hosts ----

  /** The last task of a host has ended. */
  lifeEnded(life: Life): void {
    const { machine, scheduler } = life;
    const main = scheduler.main as NonNullable<typeof scheduler.main>;
    const open = life.network.open();
    if (open.length > 0) this.problem(machine, leftOpen(machine.name, open));
    this.hosts.exit(machine);
    const conclusion = conclude(main, this.#simulator.settings.signal);
    if (this.#phase === 'unwinding' && main.state === 'cancelled' && scheduler.deadlock === null) {
      return this.#endIfAlone();
    }
    if ('error' in conclusion) return this.fail(conclusion.error, machine);
    if (this.#phase === 'scenario' && machine.index === 0) this.#scenarioReturned(conclusion.value);
    else this.#endIfAlone();
  }

  #scenarioReturned(value: unknown): void {
    this.value = value;
    this.#phase = 'settling';
    this.#simulator.invariants.faultsStay();
    this.invariantsChecked();
  }

  /** Once nothing has to come true any more, the hosts are asked to end. */
  invariantsChecked(): void {
    if (this.#phase !== 'settling' || this.#simulator.invariants.pending) return;
    this.#phase = 'unwinding';
    this.#unwindBy = this.#simulator.now + UNWIND_MS;
    this.hosts.cancelAll();
    this.#endIfAlone();
  }

  #endIfAlone(): void {
    if (this.#phase === 'unwinding' && this.#simulator.lives.length === 0) this.ended = true;
  }

  // ---- no task is ready ----

  /** True: tasks wait for the process around, so that has to be let in before time goes on. */
  waitsOutside(): boolean {
    if (this.letTimePass) {
      this.letTimePass = false;
      return false;
    }
    for (const life of this.#simulator.lives) {
      if (life.scheduler.foreign > 0) return true;
    }
    return false;
  }

  /** True: time does not go on to `at`, because the run ends or fails before. */
  standsBefore(at: number): boolean {
    const { invariants, settings } = this.#simulator;
    this.#endIfAlone();
    if (this.ended) return true;
    if (invariants.pending && invariants.nextEnd < at) {
      this.#simulator.now = Math.max(this.#simulator.now, invariants.nextEnd);
      invariants.failPending();
    } else if (at === Infinity) {
      this.#failForGood();
    } else if (this.#phase === 'unwinding') {
      if (at > this.#unwindBy) this.#notUnwound(`within ${UNWIND_MS} virtual ms`);
    } else if (at > settings.maxVirtualMs) {
      const text = `The run has not ended after ${settings.maxVirtualMs} virtual ms`;
      this.#overLimit('ERR_SIMULATION_LIMIT', text);
    }
    return this.ended;
  }

  /** Nothing will ever happen again. */
  #failForGood(): void {
    if (this.#phase === 'settling') return this.#simulator.invariants.failPending();
    if (this.#phase === 'unwinding') return this.#notUnwound('and nothing can happen any more');
    const lines = taskLines(this.#simulator.lives);
    const head = 'No task of any host can ever run again, and nothing is under way.';
    const text = [head, ...lines.map((line) => `  ${line}`)].join('\n');
    this.fail(new DeadlockError(text, tasksOf(this.#simulator.lives)));
  }

  #notUnwound(how: string): void {
    const text = 'The scenario has returned and the hosts were cancelled, but not all have ended';
    this.#overLimit('ERR_NOT_UNWOUND', `${text}, ${how}`);
  }
}

function leftOpen(name: string, open: readonly string[]): CoronetError {
  const list = open.slice(0, 10).join(', ');
  const more = open.length > 10 ? ` and ${open.length - 10} more` : '';
  const text = `Run '${name}' left open, and closed now: ${list}${more}`;
  return new CoronetError('ERR_LEFT_OPEN', text);
}
