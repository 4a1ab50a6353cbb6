/** Properties of the scheduler: random programs run to their end and keep its invariants. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DeadlockError } from '../../src/kernel/errors.ts';
import type { Hooks } from '../../src/kernel/hooks.ts';
import { isCancelled } from '../../src/kernel/scope/cancelled.ts';
import type { Task } from '../../src/kernel/task/task.ts';
import type { Program } from '../support/kernel/random-program.ts';
import { execute, Observations, programs } from '../support/kernel/random-program.ts';
import { VirtualHost } from '../support/kernel/virtual-host.ts';

interface Outcome {
  readonly observed: Observations;
  readonly host: VirtualHost;
  readonly trace: readonly string[];
  /** Spawned, finished, begun and ended steps. */
  readonly counts: readonly [number, number, number, number];
}

function tracer(trace: string[], time: () => number): Hooks {
  const write = (what: string) => (task: Task<unknown>) => {
    trace.push(`${time()} ${what} ${task.id} ${task.state} ${task.waitingOn}`);
  };
  return {
    taskSpawned: write('spawned'),
    stepBegins: write('begins'),
    stepEnds: write('ends'),
    taskWaits: (task, wait) => trace.push(`${time()} waits ${task.id} ${wait?.[0]}`),
    taskWakes: write('wakes'),
    taskCancelled: write('cancelled'),
    taskFinished: write('finished'),
    batchBegins: (ready) => trace.push(`batch ${ready}`),
  };
}

function runOnce(program: Program): Outcome {
  const trace: string[] = [];
  const observed = new Observations();
  const unhandled = (error: unknown): void => {
    if ((error as { code: string }).code !== 'ERR_SHIELD_EXPIRED') throw error;
  };
  const hooks = { ...tracer(trace, () => host.time), onUnhandled: unhandled };
  const host: VirtualHost = new VirtualHost({ hooks, maxTurns: 20_000 });
  try {
    host.play(execute(program, observed));
  } catch (error) {
    recordOutcome(error, observed);
  }
  const count = (what: string): number => trace.filter((line) => line.includes(what)).length;
  const counts = [' spawned ', ' finished ', ' begins ', ' ends '].map(count);
  return { observed, host, trace, counts: counts as [number, number, number, number] };
}

/** Records the error of the main task, unless it is a cancellation or a deadlock. */
function recordOutcome(error: unknown, observed: Observations): void {
  if (observed.thrown.includes(error as Error)) observed.reported.push(error);
  else if (!isCancelled(error) && (error as DeadlockError).code !== 'ERR_DEADLOCK') throw error;
}

function check(property: (outcome: Outcome) => void): void {
  fc.assert(
    fc.property(programs, (program) => {
      property(runOnce(program));
    }),
    { numRuns: 400 },
  );
}

test('in random programs each finally block runs exactly once', () => {
  check(({ observed }) => {
    expect(observed.finals.every((times) => times === 1)).toBe(true);
  });
});

test('in random programs no task outlives its group', () => {
  check(({ observed }) => {
    expect(observed.survivors).toEqual([]);
  });
});

test('in random programs each error is reported exactly once', () => {
  check(({ observed, host }) => {
    if (host.scheduler.deadlock !== null) return;
    const { thrown, reported } = observed;
    expect(reported.length).toBe(thrown.length);
    expect(new Set(reported)).toEqual(new Set(thrown));
  });
});

test('after a random program the scheduler is empty', () => {
  check(({ host }) => {
    const nothing = { tasks: 0, ready: 0, timers: 0, externalWaits: 0 };
    expect(host.scheduler.stats()).toMatchObject(nothing);
    expect(host.warnings).toEqual([]);
  });
});

test('in random programs hooks observe the end of each task and each step', () => {
  check(({ counts: [spawned, finished, begins, ends] }) => {
    expect([finished, ends]).toEqual([spawned, begins]);
  });
});

test('the same random program produces the same trace', () => {
  fc.assert(
    fc.property(programs, (program) => {
      expect(runOnce(program).trace).toEqual(runOnce(program).trace);
    }),
    { numRuns: 100 },
  );
});
