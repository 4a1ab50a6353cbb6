import { describe, expect, it } from 'vitest';
import { CommandUsageError } from '../errors.ts';
import { readArguments } from '../options.ts';
import { commandOf, flagsOf, OPTIONS, readWorkers } from './flags.ts';

function valuesOf(...args: string[]): ReturnType<typeof readArguments>['values'] {
  return readArguments(args, OPTIONS).values;
}

describe('the options of coronet sim', () => {
  it('set the options of simulate', () => {
    expect(flagsOf(valuesOf())).toEqual({});
    const args = '--seed 5 --runs 10 --order pct --pct-depth 4 --max-virtual-ms 1.5 --max-steps 9';
    const flags = flagsOf(valuesOf(...args.split(' '), '--check-determinism', '--no-shrink'));
    expect(flags).toEqual({
      seed: 5,
      runs: 10,
      order: 'pct',
      pctDepth: 4,
      maxVirtualMs: 1.5,
      maxSteps: 9,
      checkDeterminism: true,
      shrink: false,
    });
    expect(flagsOf(valuesOf('--max-virtual-ms', 'Infinity'))).toEqual({ maxVirtualMs: Infinity });
    expect(flagsOf(valuesOf('--replay', 'A-_9'))).toEqual({ replay: 'A-_9' });
  });

  it('select one run with --seed alone', () => {
    expect(flagsOf(valuesOf('--seed', '7'))).toEqual({ seed: 7, runs: 1 });
  });

  const wrong: readonly (readonly [args: string, message: string])[] = [
    ['--seed one', "Expected --seed to be a whole number from 0, got 'one'."],
    ['--seed 1e3', "Expected --seed to be a whole number from 0, got '1e3'."],
    ['--seed 9007199254740993', 'Expected --seed to be a whole number from 0'],
    ['--runs 0', "Expected --runs to be a whole number from 1, got '0'."],
    ['--order lifo', "Expected --order to be fifo, random or pct, got 'lifo'."],
    ['--max-virtual-ms 1h', "a number of milliseconds, or Infinity, got '1h'."],
    ['--max-steps 0', 'Expected --max-steps to be a whole number from 1'],
    ['--replay A --seed 1', '--replay already selects the run: leave out --seed.'],
    ['--replay A --order pct', 'leave out --order.'],
  ];

  it.each(wrong)('reject %s', (args, message) => {
    const read = (): unknown => flagsOf(valuesOf(...args.split(' ')));
    expect(read).toThrow(message);
    expect(read).toThrow(CommandUsageError);
  });

  it('limit the number of threads', () => {
    expect(readWorkers(valuesOf())).toBeUndefined();
    expect(readWorkers(valuesOf('--workers', '3'))).toBe(3);
    expect(() => readWorkers(valuesOf('--workers', '2000'))).toThrow('from 1 to 1024');
  });
});

describe('the printed command', () => {
  it('contains the limits and leaves out the options that select a run', () => {
    const flags = { seed: 5, runs: 9, maxSteps: 7, maxVirtualMs: 1.5, checkDeterminism: true };
    const { text } = commandOf('dir/a.mjs', flags, {});
    const rest = '--max-virtual-ms 1.5 --max-steps 7 --check-determinism';
    expect(text).toBe(`coronet sim dir/a.mjs ${rest}`);
  });

  it('depends on the order in the options of the file', () => {
    expect(commandOf('a.mjs', {}, { order: 'fifo', pctDepth: 5 })).toMatchObject({
      order: 'fifo',
      pctDepth: 5,
    });
    expect(commandOf('a.mjs', {}, {})).toMatchObject({ order: 'random', pctDepth: 3 });
  });

  it('quotes a file name that a shell would split or expand', () => {
    expect(commandOf("it's $HOME.mjs", {}, {}).text).toBe("coronet sim 'it'\\''s $HOME.mjs'");
  });
});
