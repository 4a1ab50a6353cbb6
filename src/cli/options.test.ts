/** What stands on the command line, and what is wrong with it. */
import { expect, test } from 'vitest';
import { UsageMistake } from './mistakes.ts';
import { checkNodeVersion } from './node-version.ts';
import { readArguments, readOptions, readPort } from './options.ts';

test('an unknown option names the one that was meant', () => {
  expect(() => readOptions(['--prot', '1'], { port: { type: 'string' } })).toThrow(
    /Did you mean --port\?/,
  );
});

test('options and words are told apart', () => {
  const { values, words } = readArguments(['ERR_BUSY', '--json'], { json: { type: 'boolean' } });
  expect([values, words]).toEqual([{ json: true }, ['ERR_BUSY']]);
});

test('a port is a whole number that ports can be', () => {
  expect(readPort('0')).toBe(0);
  for (const text of ['', '-1', '1e3', '65536', 'http']) {
    expect(() => readPort(text)).toThrow(UsageMistake);
  }
});

test('an old Node is told in a sentence', () => {
  expect(() => checkNodeVersion('20.18.9')).toThrow(/needs Node 20.19 or newer; this is 20.18.9/);
  for (const version of ['20.19.0', '22.0.0', '26.1.0']) checkNodeVersion(version);
});
