import { describe, expect, it } from 'vitest';
import { failureCodeOf, simulationErrorOf, sleepInLoop } from '../../test/support/simulation.ts';
import type { Operation } from '../index.ts';
import { sleep } from '../index.ts';
import type { World } from '../sim.ts';
import { InvariantError, simulate } from '../sim.ts';

describe('always', () => {
  it('is checked after every step and fails the run at the first violation', async () => {
    let counter = 0;
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.always('the counter stays below 3', () => counter < 3);
      for (;;) {
        counter++;
        yield* sleep(1);
      }
    });
    expect(failure.error).toBeInstanceOf(InvariantError);
    expect(failure.error).toMatchObject({
      code: 'ERR_INVARIANT',
      kind: 'always',
      invariant: 'the counter stays below 3',
      message: "always 'the counter stays below 3' does not hold",
    });
    expect([counter, failure.virtualMs]).toEqual([3, 2]);
  });

  it('is checked when it is declared', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.always('false', () => false);
    });
    expect(failure.error).toMatchObject({ code: 'ERR_INVARIANT', kind: 'always' });
  });

  it('is checked after the steps of every host', async () => {
    let broken = false;
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.always('whole', () => !broken);
      world.host('a', function* (): Operation<void> {
        yield* sleep(5);
        broken = true;
      });
      yield* sleep(10);
    });
    expect(failure.virtualMs).toBe(5);
  });

  it('fails the run if its predicate throws, with the thrown error as cause', async () => {
    const cause = new Error('no such field');
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.always('looks', () => {
        throw cause;
      });
    });
    expect(failure.error).toMatchObject({
      message: "always 'looks' threw Error: no such field",
      cause,
    });
  });

  it('rejects a predicate that does not return a boolean, such as an async function', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.always('later', (async () => true) as never);
    });
    expect(failure.error).toMatchObject({
      message:
        "always 'later' expects a predicate that returns a boolean, got [object Promise] (object)",
    });
  });

  it('checks its arguments, as eventually does', async () => {
    const wrong = (use: (world: World) => void): Promise<unknown> =>
      failureCodeOf(function* (world): Operation<void> {
        use(world);
      });
    const always = (name: unknown, predicate: unknown) => (world: World) => {
      world.always(name as string, predicate as () => boolean);
    };
    expect(await wrong(always('x', 5))).toBe('ERR_INVALID_ARG_TYPE');
    expect(await wrong(always(5, () => true))).toBe('ERR_INVALID_ARG_TYPE');
    const eventually = (options: unknown) => (world: World) => {
      world.eventually('x', () => true, options as { withinMs: number });
    };
    expect(await wrong(eventually(undefined))).toBe('ERR_INVALID_ARG_TYPE');
    expect(await wrong(eventually({ withinMs: -1 }))).toBe('ERR_OUT_OF_RANGE');
  });
});

describe('eventually', () => {
  it('lets the hosts run after the scenario has returned, until it becomes true', async () => {
    let done = false;
    const report = await simulate(function* (world): Operation<void> {
      world.host('a', function* (): Operation<void> {
        yield* sleep(500);
        done = true;
        yield* sleepInLoop();
      });
      world.eventually('done', () => done, { withinMs: 1000 });
    });
    expect(report.virtualMs).toBe(500);
  });

  it('may become true at its deadline, but not later', async () => {
    const doneAfter = (ms: number) =>
      function* (world: World): Operation<void> {
        let done = false;
        world.host('a', function* (): Operation<void> {
          yield* sleep(ms);
          done = true;
        });
        world.eventually('done', () => done, { withinMs: 1000 });
      };
    await simulate(doneAfter(1000));
    const failure = await simulationErrorOf(doneAfter(1001));
    expect(failure.error).toMatchObject({
      code: 'ERR_INVARIANT',
      kind: 'eventually',
      invariant: 'done',
      message: "eventually 'done' did not become true within 1000 ms from 0 ms",
    });
    expect(failure.virtualMs).toBe(1000);
  });

  it('fails the run at its deadline while the scenario still runs', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      yield* sleep(10);
      world.eventually('never', () => false, { withinMs: 5 });
      yield* sleep(1000);
    });
    expect(failure.virtualMs).toBe(15);
  });

  it('has to become true only once', async () => {
    let received = false;
    const report = await simulate(function* (world): Operation<void> {
      world.eventually('received', () => received, { withinMs: 10 });
      yield* sleep(5);
      received = true;
      yield* sleep(1);
      received = false;
      yield* sleep(100);
    });
    expect(report.virtualMs).toBe(106);
  });

  it.each<[string, (world: World) => void, (world: World) => void]>([
    ['a partition', (w) => w.partition('main', 'a'), (w) => w.heal('main', 'a')],
    ['half a partition', (w) => w.partitionOneWay('a', '*'), (w) => w.heal('main', 'a')],
    ['a hold', (w) => w.hold('main', 'a'), (w) => w.release('a', 'main')],
    ['a crashed host', (w) => w.crash('a'), (w) => w.restart('a')],
  ])('counts its time from the end of %s', async (_, begin, end) => {
    let done = false;
    const scenario = (doneAt: number) =>
      function* (world: World): Operation<void> {
        done = false;
        world.host('a', sleepInLoop);
        world.eventually('done', () => done, { withinMs: 100 });
        yield* sleep(50);
        begin(world);
        yield* sleep(500);
        end(world);
        yield* sleep(doneAt);
        done = true;
      };
    await simulate(scenario(100));
    const failure = await simulationErrorOf(scenario(101));
    expect(failure.error).toMatchObject({ code: 'ERR_INVARIANT', kind: 'eventually' });
    expect(failure.virtualMs).toBe(650);
  });

  it('does not wait for the end of faults after the scenario has returned', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.host('a', sleepInLoop);
      world.partition('main', 'a');
      world.eventually('never', () => false, { withinMs: 100 });
      yield* sleep(500);
    });
    expect(failure.virtualMs).toBe(600);
  });

  it('fails the run at once when no event is left', async () => {
    const failure = await simulationErrorOf(function* (world): Operation<void> {
      world.eventually('never', () => false, { withinMs: Infinity });
    });
    expect((failure.error as Error).message).toContain('no event is left');
  });
});
