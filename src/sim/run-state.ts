/**
 * The state of a run, and how it ends.
 *
 *   scenario ───► settling ───► unwinding ───► ended
 *      │  the scenario │ every `eventually` │ all hosts, cancelled,
 *      │  returned     │ has become true    │ have ended
 *      └───────────────┴────────────────────┴──► failed, and ended at once
 *
 * A failure stops the run at once: no task makes another step, so the failure shows the world as it
 * was at that moment.
 */

import { taskLine } from '../kernel/diagnostics.ts';
import { DeadlockError, leftOpenError } from '../kernel/errors.ts';
import { runOutcome } from '../kernel/task/task.ts';
import { propertyOf } from '../support/checks.ts';
import { SimulationLimitError } from './errors.ts';
import type { SimHost } from './host.ts';
import { Hosts } from './hosts.ts';
import type { SimProcess } from './process.ts';
import type { Simulator } from './simulator.ts';

/** Virtual milliseconds in which cancelled hosts have to end. */
const UNWIND_MS = 60_000;
/** The maximum number of different warnings of a run. */
const MAX_WARNINGS = 100;
/** Problems that are reported as warnings and do not fail the run, unless a callback threw them. */
const WARNING_CODES = new Set<unknown>(['ERR_LEFT_OPEN', 'ERR_LONG_STEP', 'ERR_NOT_DRIVEN']);
/** The maximum number of tasks per host that a report lists. */
const MAX_TASK_LINES = 20;

/** Why a run failed, and its unfinished tasks at that moment. */
export interface Failure {
  readonly error: unknown;
  /** The host whose program failed; '' if it was not a program. */
  readonly host: string;
  readonly tasks: readonly string[];
}

export class RunState {
  readonly hosts: Hosts;
  readonly warnings: Set<string> = new Set();
  ended = false;
  failure: Failure | null = null;
  /** The return value of the scenario. */
  value: unknown = undefined;
  /** True once the run has depended on the real process. */
  usedRealProcess = false;
  /** True: time advances once although a task waits for the real process. */
  timeMayAdvance = false;
  readonly #simulator: Simulator;
  #phase: 'scenario' | 'settling' | 'unwinding' = 'scenario';
  #unwindDeadline = Infinity;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
    this.hosts = new Hosts(simulator);
  }

  /** True once the programs have been cancelled. */
  get unwinding(): boolean {
    return this.#phase === 'unwinding';
  }

  // ---- failing ----

  /** Only the first failure counts. */
  fail(error: unknown, host?: SimHost): void {
    if (this.failure !== null) return;
    const tasks = taskLines(this.#simulator.processes);
    this.failure = { error, host: host?.name ?? '', tasks };
    this.ended = true;
  }

  /** Handles a problem that no task can receive. */
  reportProblem(host: SimHost, problem: unknown, rethrown = false): void {
    const { warn } = this.#simulator.settings;
    if (warn !== undefined) return warn(problem);
    if (rethrown || !WARNING_CODES.has(propertyOf(problem, 'code'))) {
      return this.fail(problem, host);
    }
    this.addWarning(`${host.name}: ${(problem as Error).message}`);
  }

  addWarning(text: string): void {
    if (this.warnings.size < MAX_WARNINGS) this.warnings.add(text);
  }

  tooManySteps(): void {
    const { maxSteps } = this.#simulator.settings;
    this.#failAtLimit('ERR_SIMULATION_LIMIT', `The run has not ended after ${maxSteps} steps`);
  }

  #failAtLimit(code: string, text: string): void {
    const lines = taskLines(this.#simulator.processes).map((line) => `  ${line}`);
    this.fail(new SimulationLimitError(code, [`${text}.`, 'The tasks:', ...lines].join('\n')));
  }

  // ---- ends of processes ----

  /** The last task of a process has ended. */
  processEnded(proc: SimProcess): void {
    const { host, scheduler } = proc;
    const main = scheduler.main as NonNullable<typeof scheduler.main>;
    const open = proc.network.open();
    if (open.length > 0) this.reportProblem(host, leftOpenError(host.name, open));
    this.hosts.exit(host);
    const outcome = runOutcome(main, this.#simulator.settings.signal);
    if (this.#phase === 'unwinding' && main.state === 'cancelled' && scheduler.deadlock === null) {
      return this.#endIfNoProcess();
    }
    if ('error' in outcome) return this.fail(outcome.error, host);
    if (this.#phase === 'scenario' && host.index === 0) this.#scenarioReturned(outcome.value);
    else this.#endIfNoProcess();
  }

  #scenarioReturned(value: unknown): void {
    this.value = value;
    this.#phase = 'settling';
    this.#simulator.invariants.ignoreRemainingFaults();
    this.invariantsChecked();
  }

  /** Cancels all hosts once every `eventually` has become true. */
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

  /** True: tasks wait for the real process, which has to run before time advances. */
  waitsForRealProcess(): boolean {
    if (this.timeMayAdvance) {
      this.timeMayAdvance = false;
      return false;
    }
    return this.#simulator.processes.some(({ scheduler }) => scheduler.realTimeWaits > 0);
  }

  /** True: the run ends or fails before time reaches `at`. */
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

  /** No task will ever run again. */
  #failDeadlocked(): void {
    if (this.#phase === 'settling') return this.#simulator.invariants.failPending();
    if (this.#phase === 'unwinding') return this.#failUnwinding('and no event is left');
    const { processes } = this.#simulator;
    const head = 'No task of any host can ever run again, and no message is in flight.';
    const text = [head, ...taskLines(processes).map((line) => `  ${line}`)].join('\n');
    this.fail(new DeadlockError(text, taskLines(processes, Infinity)));
  }

  #failUnwinding(reason: string): void {
    const text = 'The scenario has returned and the hosts were cancelled, but not all have ended';
    this.#failAtLimit('ERR_NOT_UNWOUND', `${text}, ${reason}`);
  }
}

/** One line for every unfinished task, with its host; at most `most` tasks per host. */
function taskLines(processes: readonly SimProcess[], most: number = MAX_TASK_LINES): string[] {
  return processes.flatMap(({ host, scheduler }) => {
    const tasks = scheduler.tasks();
    const lines = tasks.slice(0, most).map(taskLine);
    if (tasks.length > most) lines.push(`and ${tasks.length - most} more tasks`);
    return lines.map((line) => `${host.name}: ${line}`);
  });
}
