/**
 * Random programs for the kernel: trees of tasks, groups, scopes, time limits, shields, joins and
 * cancellations. A program is data, so it can be shrunk and run twice. `execute` interprets it and
 * records the observations that the properties check.
 */
import fc from 'fast-check';
import { GroupError, GroupStateError, TimeoutError } from '../../../src/kernel/errors.ts';
import type { Operation } from '../../../src/kernel/operation.ts';
import { isCancelled } from '../../../src/kernel/scope/cancelled.ts';
import type { Scope } from '../../../src/kernel/scope/scope.ts';
import { shield } from '../../../src/kernel/scope/shield.ts';
import { moveOnAfter, scope, timeout } from '../../../src/kernel/scope/with-scope.ts';
import type { Group } from '../../../src/kernel/task/group.ts';
import { group } from '../../../src/kernel/task/group.ts';
import type { Task } from '../../../src/kernel/task/task.ts';
import { checkpoint, sleep } from '../../../src/kernel/waits.ts';

export type Program =
  | { readonly kind: 'yield' | 'checkpoint' | 'fail' | 'cancelScope' | 'cancelGroup' | 'stopGroup' }
  | { readonly kind: 'sleep'; readonly ms: number }
  | { readonly kind: 'join' | 'cancel' | 'cancelJoin'; readonly which: number }
  | { readonly kind: 'sequence'; readonly parts: readonly Program[] }
  | { readonly kind: 'group'; readonly children: readonly Child[]; readonly body: Program }
  | Limited;

interface Limited {
  readonly kind: 'cleanup' | 'shield' | 'timeout' | 'moveOn' | 'scope';
  readonly ms: number;
  readonly body: Program;
}

interface Child {
  readonly daemon: boolean;
  readonly body: Program;
}

/** Observations of one run of a program. */
export class Observations {
  /** Every task that was spawned, in order. */
  readonly tasks: Task<unknown>[] = [];
  /** For each block that was entered, the number of times that its `finally` ran. */
  readonly finals: number[] = [];
  readonly thrown: Error[] = [];
  readonly reported: unknown[] = [];
  /** Tasks that were unfinished after their group was left. */
  readonly survivors: string[] = [];
}

interface Context {
  readonly observed: Observations;
  readonly group: Group | null;
  readonly scope: Scope | null;
}

const ms = fc.nat(6);
const leaf = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('sleep'), ms }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('yield', 'checkpoint') }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join'), which: fc.nat(7) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fail') }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('cancel', 'cancelJoin'), which: fc.nat(7) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('cancelScope', 'cancelGroup', 'stopGroup') }),
  },
);

/** Programs of a few levels. Shrinking removes branches. */
export const programs: fc.Arbitrary<Program> = fc.letrec((tie) => ({
  program: fc.oneof(
    { depthSize: 'large', withCrossShrink: true },
    leaf,
    fc.record({
      kind: fc.constant('sequence'),
      parts: fc.array(tie('program'), { maxLength: 4 }),
    }),
    fc.record({
      kind: fc.constant('group'),
      children: fc.array(fc.record({ daemon: fc.boolean(), body: tie('program') }), {
        maxLength: 4,
      }),
      body: tie('program'),
    }),
    fc.record({
      kind: fc.constantFrom('cleanup', 'shield', 'timeout', 'moveOn', 'scope'),
      ms,
      body: tie('program'),
    }),
  ),
})).program as fc.Arbitrary<Program>;

/** Runs `program` and records the observations in `observed`. */
export function execute(program: Program, observed: Observations): Operation<void> {
  return interpret(program, { observed, group: null, scope: null });
}

function* interpret(program: Program, context: Context): Operation<void> {
  const { observed } = context;
  const id = observed.finals.push(0) - 1;
  try {
    yield* perform(program, context);
  } finally {
    (observed.finals[id] as number)++;
  }
}

function* perform(program: Program, context: Context): Operation<void> {
  switch (program.kind) {
    case 'yield':
      return void (yield);
    case 'checkpoint':
      return yield* checkpoint();
    case 'sleep':
      return yield* sleep(program.ms);
    case 'sequence':
      for (const part of program.parts) yield* interpret(part, context);
      return;
    case 'group':
      return yield* performGroup(program.children, program.body, context);
    case 'fail':
      return fail(context.observed);
    default:
      return yield* performRest(program, context);
  }
}

type Rest = Exclude<Program, { readonly kind: 'yield' | 'sleep' | 'sequence' | 'group' }> | Plain;
type Plain = Extract<Program, { readonly kind: 'yield' }>;

function* performRest(program: Rest, context: Context): Operation<void> {
  switch (program.kind) {
    case 'cancelScope':
      return context.scope?.cancel('random');
    case 'cancelGroup':
      return context.group?.cancel('random');
    case 'stopGroup':
      return context.group?.stop({ graceMs: 2 });
    case 'join':
    case 'cancel':
    case 'cancelJoin':
      return yield* performOn(program.kind, context.observed.tasks[program.which]);
    case 'cleanup':
    case 'shield':
    case 'timeout':
    case 'moveOn':
    case 'scope':
      return yield* performLimited(program, context);
  }
}

/** False for a cycle of joins and groups, which the task that closes it gets as an error. */
function isThrown(error: unknown): boolean {
  return (error as { code?: unknown }).code !== 'ERR_DEADLOCK';
}

function* performOn(
  kind: 'join' | 'cancel' | 'cancelJoin',
  task: Task<unknown> | undefined,
): Operation<void> {
  if (kind !== 'join') task?.cancel('random');
  if (kind === 'cancel' || task === undefined) return;
  try {
    yield* task.join();
  } catch (error) {
    // `join` throws the failures of others; they are reported where they belong.
    if (isCancelled(error)) throw error;
  }
}

function* performLimited(program: Limited, context: Context): Operation<void> {
  const body = (): Operation<void> => interpret(program.body, context);
  switch (program.kind) {
    case 'shield':
      return yield* shield(body, { withinMs: program.ms });
    case 'moveOn':
      return yield* moveOnAfter(program.ms, body);
    case 'timeout':
      return yield* ignoreError(
        timeout(program.ms, body),
        (error) => error instanceof TimeoutError,
      );
    case 'scope':
      return yield* scope((inner) => interpret(program.body, { ...context, scope: inner }));
    case 'cleanup':
      return yield* withCleanup(body(), program.ms);
  }
}

function* ignoreError(
  op: Operation<void>,
  isExpected: (error: unknown) => boolean,
): Operation<void> {
  try {
    yield* op;
  } catch (error) {
    if (!isExpected(error)) throw error;
  }
}

function* withCleanup(body: Operation<void>, cleanupMs: number): Operation<void> {
  try {
    yield* body;
  } finally {
    // The expired shield must not replace an error that is already propagating.
    yield* ignoreError(shield(sleep(cleanupMs), { withinMs: 3 }), isCancelled);
  }
}

function fail(observed: Observations): never {
  const error = new Error(`failure ${observed.thrown.length}`);
  observed.thrown.push(error);
  throw error;
}

function* performGroup(
  children: readonly Child[],
  body: Program,
  context: Context,
): Operation<void> {
  const { observed } = context;
  const members: Task<unknown>[] = [];
  try {
    yield* group(function* (g) {
      const inside = { observed, group: g, scope: g.scope };
      for (const { daemon, body: work } of children) {
        const task = g.spawn(() => interpret(work, inside), { daemon });
        members.push(task);
        observed.tasks.push(task);
      }
      yield* interpret(body, inside);
    });
  } catch (error) {
    if (error instanceof GroupError) observed.reported.push(...error.errors.filter(isThrown));
    else if (!(error instanceof GroupStateError)) throw error;
  } finally {
    for (const { name, state } of members) {
      if (!['done', 'failed', 'cancelled'].includes(state)) observed.survivors.push(name);
    }
  }
}
