import { expect, test } from 'vitest';
import { CommandUsageError } from './errors.ts';
import { readArguments, readHost, readMs, readOptions, readPort, readWorkers } from './options.ts';
import { checkNodeVersion } from './version.ts';

test('an error for an unknown option suggests the option that was meant', () => {
  expect(() => readOptions(['--prot', '1'], { port: { type: 'string' } })).toThrow(
    /Did you mean --port\?/,
  );
});

test('options and words are separated', () => {
  const { values, words } = readArguments(['ERR_BUSY', '--json'], { json: { type: 'boolean' } });
  expect([values, words]).toEqual([{ json: true }, ['ERR_BUSY']]);
});

test('a port is a whole number from 0 to 65535', () => {
  expect(readPort('0')).toBe(0);
  for (const text of ['', '-1', '1e3', '65536', 'http']) {
    expect(() => readPort(text)).toThrow(CommandUsageError);
  }
});

test('a host is a name or an IP address, and not empty', () => {
  for (const text of ['localhost', '127.0.0.1', '::1']) expect(readHost(text)).toBe(text);
  for (const text of ['', ' ', '[::1]', 'a/b']) {
    expect(() => readHost(text)).toThrow(/--host to be a name or an IP address/);
  }
});

test('a duration is a whole number of milliseconds', () => {
  expect([readMs('grace-ms', '0'), readMs('grace-ms', '1500')]).toEqual([0, 1500]);
  for (const text of ['', '-1', '1.5', '5s']) {
    expect(() => readMs('grace-ms', text)).toThrow(/--grace-ms to be a whole number of millisec/);
  }
});

test('workers are a whole number from 1 to 1024, or auto', () => {
  expect([readWorkers('auto'), readWorkers('1'), readWorkers('1024')]).toEqual(['auto', 1, 1024]);
  for (const text of ['', '0', '1025', 'many']) {
    expect(() => readWorkers(text)).toThrow(CommandUsageError);
  }
});

test('an error for an old Node names the required version', () => {
  expect(() => checkNodeVersion('20.18.9')).toThrow(/needs Node 20.19 or newer; this is 20.18.9/);
  for (const version of ['20.19.0', '22.0.0', '26.1.0']) checkNodeVersion(version);
});
