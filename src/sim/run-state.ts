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

import { taskLine } from '../kernel/diagnostics.ts';
import { CoronetError, DeadlockError } from '../kernel/errors.ts';
import { runOutcome } from '../kernel/task/task.ts';
import { SimulationLimitError } from './errors.ts';
import type { SimHost } from './host.ts';
import { Hosts } from './hosts.ts';
import type { SimProcess } from './process.ts';
import type { Simulator } from './simulator.ts';

/** Virtual milliseconds in which the hosts have to end, once they were cancelled. */
const UNWIND_MS = 60_000;
/** Different warnings that are kept of a run. */
const MAX_WARNINGS = 100;
/** Problems that are told, but do not fail a run. */
const WARNING_CODES = new Set<unknown>(['ERR_LEFT_OPEN', 'ERR_LONG_STEP', 'ERR_NOT_DRIVEN']);

/** Why a run has failed, and what was there at that moment. */
export interface Failure {
  readonly error: unknown;
  /** The host whose program failed; '' if it was no program. */
  readonly host: string;
  readonly tasks: readonly string[];
}

export class RunState {
  readonly hosts: Hosts;
  readonly warnings: Set<string> = new Set();
  ended = false;
  failure: Failure | null = null;
  /** What the scenario gave. */
  value: unknown = undefined;
  /** True once the process around had a part in the run. */
  usedRealProcess = false;
  /** True: the next jump happens although a task waits for the process around. */
  timeMayAdvance = false;
  readonly #simulator: Simulator;
  #phase: 'scenario' | 'settling' | 'unwinding' = 'scenario';
  #unwindDeadline = Infinity;

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
  fail(error: unknown, machine?: SimHost): void {
    if (this.failure !== null) return;
    const host = machine?.name ?? '';
    this.failure = { error, host, tasks: taskLines(this.#simulator.processes) };
    this.ended = true;
  }

  /** Something that no task is left to receive. */
  reportProblem(machine: SimHost, problem: unknown): void {
    const { warn } = this.#simulator.settings;
    if (warn !== undefined) return warn(problem);
    if (!WARNING_CODES.has((problem as { code?: unknown } | null)?.code)) {
      return this.fail(problem, machine);
    }
    if (this.warnings.size < MAX_WARNINGS) {
      this.warnings.add(`${machine.name}: ${(problem as Error).message}`);
    }
  }

  tooManySteps(): void {
    const { maxSteps } = this.#simulator.settings;
    this.#failAtLimit('ERR_SIMULATION_LIMIT', `The run has not ended after ${maxSteps} steps`);
  }

  #failAtLimit(code: string, text: string): void {
    const lines = taskLines(this.#simulator.processes).map((line) => `  ${line}`);
    this.fail(new SimulationLimitError(code, [`${text}.`, 'The tasks:', ...lines].join('\n')));
  }

  // ---- ends of hosts ----

  /** The last task of a host has ended. */
  processEnded(life: SimProcess): void {
    const { host, scheduler } = life;
    const main = scheduler.main as NonNullable<typeof scheduler.main>;
    const open = life.network.open();
    if (open.length > 0) this.reportProblem(host, leftOpenError(host.name, open));
    this.hosts.exit(host);
    const conclusion = runOutcome(main, this.#simulator.settings.signal);
    if (this.#phase === 'unwinding' && main.state === 'cancelled' && scheduler.deadlock === null) {
      return this.#endIfNoProcess();
    }
    if ('error' in conclusion) return this.fail(conclusion.error, host);
    if (this.#phase === 'scenario' && host.index === 0) this.#scenarioReturned(conclusion.value);
    else this.#endIfNoProcess();
  }

  #scenarioReturned(value: unknown): void {
    this.value = value;
    this.#phase = 'settling';
    this.#simulator.invariants.ignoreRemainingFaults();
    this.invariantsChecked();
  }

  /** Once nothing has to come true any more, the hosts are asked to end. */
  invariantsChecked(): void {
    if (this.#phase !== 'settling' || this.#simulator.invariants.pending) return;
    this.#phase = 'unwinding';
    this.#unwindDeadline = this.#simulator.now + UNWIND_MS;
    this.hosts.cancelAll();
    this.#endIfNoProcess();
  }

  #endIfNoProcess(): void {
    if (this.#phase === 'unwinding' && this.#simulator.processes.length === 0) this.ended = true;
  }

  // ---- no task is ready ----

  /** True: tasks wait for the process around, so that has to be let in before time goes on. */
  waitsForRealProcess(): boolean {
    if (this.timeMayAdvance) {
      this.timeMayAdvance = false;
      return false;
    }
    for (const life of this.#simulator.processes) {
      if (life.scheduler.realTimeWaits > 0) return true;
    }
    return false;
  }

  /** True: time does not go on to `at`, because the run ends or fails before. */
  endsBefore(at: number): boolean {
    const { invariants, settings } = this.#simulator;
    this.#endIfNoProcess();
    if (this.ended) return true;
    if (invariants.pending && invariants.nextDeadline < at) {
      this.#simulator.now = Math.max(this.#simulator.now, invariants.nextDeadline);
      invariants.failPending();
    } else if (at === Infinity) {
      this.#failDeadlocked();
    } else if (this.#phase === 'unwinding') {
      if (at > this.#unwindDeadline) this.#failUnwinding(`within ${UNWIND_MS} virtual ms`);
    } else if (at > settings.maxVirtualMs) {
      const text = `The run has not ended after ${settings.maxVirtualMs} virtual ms`;
      this.#failAtLimit('ERR_SIMULATION_LIMIT', text);
    }
    return this.ended;
  }

  /** Nothing will ever happen again. */
  #failDeadlocked(): void {
    if (this.#phase === 'settling') return this.#simulator.invariants.failPending();
    if (this.#phase === 'unwinding') return this.#failUnwinding('and nothing can happen any more');
    const lines = taskLines(this.#simulator.processes);
    const head = 'No task of any host can ever run again, and nothing is under way.';
    const text = [head, ...lines.map((line) => `  ${line}`)].join('\n');
    this.fail(new DeadlockError(text, allTaskLines(this.#simulator.processes)));
  }

  #failUnwinding(how: string): void {
    const text = 'The scenario has returned and the hosts were cancelled, but not all have ended';
    this.#failAtLimit('ERR_NOT_UNWOUND', `${text}, ${how}`);
  }
}

function leftOpenError(name: string, open: readonly string[]): CoronetError {
  const list = open.slice(0, 10).join(', ');
  const more = open.length > 10 ? ` and ${open.length - 10} more` : '';
  const text = `Run '${name}' left open, and closed now: ${list}${more}`;
  return new CoronetError('ERR_LEFT_OPEN', text);
}

/** The unfinished tasks of a world, told to people. */

/** Lines of one host that a report shows at most. */
const MAX_TASK_LINES = 20;

/** A line for every unfinished task, with its host, bounded for each host. */
export function taskLines(lives: readonly SimProcess[]): string[] {
  return lives.flatMap((life) => {
    const tasks = life.scheduler.tasks();
    const lines = tasks.slice(0, MAX_TASK_LINES).map((task) => withHost(life, taskLine(task)));
    const more = tasks.length - MAX_TASK_LINES;
    return more > 0 ? [...lines, withHost(life, `and ${more} more tasks`)] : lines;
  });
}

/** The same, of all tasks. */
export function allTaskLines(lives: readonly SimProcess[]): string[] {
  return lives.flatMap((life) => {
    return life.scheduler.tasks().map((task) => withHost(life, taskLine(task)));
  });
}

function withHost(life: SimProcess, text: string): string {
  return `${life.host.name}: ${text}`;
}
