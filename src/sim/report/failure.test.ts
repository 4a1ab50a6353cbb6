import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { askEcho, echoServer, simulationErrorOf } from '../../../test/support/simulation.ts';
import type { Operation } from '../../index.ts';
import { CoronetError, group, sleep } from '../../index.ts';
import { SimulationError } from '../../sim.ts';
import { chart } from './chart.ts';

describe('a failed run', () => {
  it('is reported with its seed, error, last events, tasks and replay commands', async () => {
    const failure = await simulationErrorOf(
      function* (world): Operation<void> {
        world.host('clerk', function* (): Operation<void> {
          yield* sleep(2.5);
          throw new RangeError('nothing left');
        });
        yield* sleep(40);
      },
      { seed: 99, order: 'fifo' },
    );
    const head =
      'The simulation failed with seed 99, after 2.5 virtual ms and 3 steps: ' +
      "RangeError: nothing left (host 'clerk', in task 'clerk')";
    expect(failure.message.split('\n')).toEqual([
      head,
      '',
      'The last events:',
      '      time  main    clerk',
      "  0.000 ms  ●       │        start host 'main'",
      "  0.000 ms  ●       │        task 1 'main' starts, waits for sleep 40 ms",
      "  0.000 ms  │       ●        start host 'clerk'",
      "  0.000 ms  │       ●        task 1 'clerk' starts, waits for sleep 2.5 ms",
      "  2.500 ms  │       ●        task 1 'clerk' goes on, failed",
      "  2.500 ms  │       ●        exit host 'clerk'",
      '',
      'Unfinished tasks:',
      "  main: task 1 'main' waits for sleep 40 ms",
      '',
      'Replay: coronet sim FILE --seed 99 --order fifo',
      `    or: coronet sim FILE --replay ${failure.replay}`,
    ]);
  });

  it('shows escapes for the control characters in the names of tasks', async () => {
    const failure = await simulationErrorOf(
      function* (): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          tasks.spawn(() => sleep(40), { name: '\x1b[2Jclear' });
          yield* sleep(1);
          throw new Error('the error');
        });
      },
      { order: 'fifo' },
    );
    expect(failure.message).toContain("'\\x1b[2Jclear' starts");
    expect(failure.message).not.toContain('\x1b');
  });

  it('is a SimulationError that contains the original error', async () => {
    const error = new Error('the error');
    const failure = await simulationErrorOf(
      function* (): Operation<void> {
        yield* sleep(1);
        throw error;
      },
      { seed: 5, runs: 3 },
    );
    expect(failure).toBeInstanceOf(CoronetError);
    expect(failure).toMatchObject({
      name: 'SimulationError',
      code: 'ERR_SIMULATION',
      seed: 5,
      run: 0,
      order: 'random',
      virtualMs: 1,
      steps: 2,
      shrunk: undefined,
    });
    expect(failure.error).toBe(error);
    expect(failure.cause).toBe(error);
    expect(failure.message).toContain('seed 5, run 1 of 3, after');
    expect(failure.message).toMatch(/Replay: coronet sim FILE --seed 5$/m);
  });

  it('names the tasks in which the error was thrown', async () => {
    const failure = await simulationErrorOf(function* (): Operation<void> {
      yield* group(function* (g): Operation<void> {
        g.spawn(
          function* (): Operation<void> {
            throw new Error('inside');
          },
          { name: 'writer' },
        );
      });
    });
    expect((failure.error as AggregateError).errors[0]).toMatchObject({
      tasks: ['writer', 'main'],
    });
    expect(failure.message).toContain('writer: Error: inside');
  });

  it('keeps the last 200 events', async () => {
    const failure = await simulationErrorOf(function* (): Operation<void> {
      for (let i = 1; i <= 300; i++) yield* sleep(i);
      throw new Error('enough');
    });
    expect(failure.events).toHaveLength(200);
    const steps = failure.events.filter(({ kind }) => kind === 'step');
    expect(steps[0]?.text).toBe("task 1 'main' goes on, waits for sleep 103 ms");
    expect(steps.at(-1)?.text).toBe("task 1 'main' goes on, failed");
    expect(failure.events.at(-1)).toMatchObject({ kind: 'exit', host: 'main' });
    const times = failure.events.map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('shows messages between hosts as arrows', async () => {
    const failure = await simulationErrorOf(
      function* (world): Operation<void> {
        world.host('server', echoServer);
        yield* sleep(1);
        yield* askEcho('server', 'Hello');
        throw new Error('seen');
      },
      { order: 'fifo' },
    );
    const sent = failure.events.filter(({ kind }) => kind === 'send');
    expect(sent.map(({ host, peer }) => [host, peer])).toEqual([
      ['main', 'server'],
      ['server', 'main'],
    ]);
    expect(failure.message).toMatch(/├──────►│ +send 5 bytes/);
    expect(failure.message).toMatch(/│◄──────┤ +send 5 bytes/);
  });

  it('may have any thrown value as its error', async () => {
    for (const thrown of [undefined, null, 'text', 5, { toString: null }]) {
      const failure = await simulationErrorOf(function* (): Operation<void> {
        throw thrown;
      });
      expect(failure).toBeInstanceOf(SimulationError);
      expect(failure.error).toBe(thrown);
    }
  });
});

describe('a sequence chart', () => {
  it('draws arrows across the columns in between, and drops with a cross', () => {
    const at = 1;
    const lines = chart(
      [
        { at: 0, host: 'a', kind: 'step', text: 'begins' },
        { at, host: 'a', peer: 'c', kind: 'send', text: '12 bytes' },
        { at, host: 'c', peer: 'b', kind: 'drop', text: '5 bytes' },
        { at: 1000, host: 'b', peer: 'b', kind: 'send', text: 'to itself' },
      ],
      40,
    );
    expect(lines).toEqual([
      '       time  a       c       b',
      '   0.000 ms  ●       │       │        begins',
      '   1.000 ms  ├──────►│       │        send 12 bytes',
      '   1.000 ms  │       ├──────✗│        drop 5 bytes',
      '1000.000 ms  │       │       ●        send to itself',
    ]);
  });

  it('merges repeated events into one line and shows the last lines', () => {
    const events = [1, 2, 3, 4].map((at) => ({ at, host: 'a', kind: 'step', text: 'goes on' }));
    const last = { at: 5, host: 'a', kind: 'step', text: 'ends' };
    expect(chart([...events, last], 40)).toEqual([
      '    time  a',
      '1.000 ms  ●        goes on (4 times, until 4.000 ms)',
      '5.000 ms  ●        ends',
    ]);
    expect(chart([...events, last], 1)).toEqual(['    time  a', '5.000 ms  ●        ends']);
  });

  it('cuts long names and long texts', () => {
    const [head, line] = chart(
      [{ at: 0, host: 'a-very-long-name-of-a-host', kind: 'note', text: 'x'.repeat(500) }],
      40,
    ) as [string, string];
    expect(head).toBe('    time  a-very-long-na');
    expect(line.length).toBeLessThan(140);
  });
});

describe('a printed SimulationError', () => {
  it('shows the message without hundreds of events', async () => {
    const error = await simulationErrorOf(function* () {
      for (let i = 0; i < 300; i++) yield* sleep(1);
      throw new Error('broken');
    });
    expect(error.events).toHaveLength(200);
    expect(inspect(error).split('\n').length).toBeLessThan(100);
  });
});
