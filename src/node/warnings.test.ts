import { setImmediate as nextLoop } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { UsageError } from '../kernel/errors.ts';
import { warn } from './warnings.ts';

type Emitted = Error & { readonly code?: string; readonly detail?: string };

describe('warn', () => {
  let warnings: Emitted[];
  const note = (warning: Error): void => void warnings.push(warning);

  beforeEach(() => {
    warnings = [];
    process.on('warning', note);
  });

  afterEach(() => void process.off('warning', note));

  test('emits any value as a process warning', async () => {
    for (const problem of [new Error('an error'), 'a text', undefined, Symbol('s')]) warn(problem);
    await nextLoop();
    const messages = warnings.map(({ message }) => message);
    expect(messages).toEqual(['an error', 'a text', 'undefined', 'Symbol(s)']);
  });

  test('emits an error as it is, with its code', async () => {
    const error = new UsageError('ERR_NO_TASK', 'outside');
    warn(error);
    warn('a text', 'A_CODE');
    await nextLoop();
    expect(warnings[0]).toBe(error);
    expect(warnings[1]).toMatchObject({ name: 'Warning', message: 'a text', code: 'A_CODE' });
  });

  test('emits the name, the code and the stack of an error of another realm', async () => {
    warn(runInNewContext("Object.assign(new RangeError('of a vm context'), { code: 'A_CODE' })"));
    await nextLoop();
    expect(warnings).toEqual([expect.any(Error)]);
    expect(warnings[0]).toMatchObject({
      name: 'RangeError',
      message: 'of a vm context',
      code: 'A_CODE',
      detail: expect.stringMatching(/^RangeError: of a vm context\n/),
    });
  });

  test('never throws', () => {
    const hostile = {
      get message(): never {
        throw new Error('of a getter');
      },
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const problem of [Object.create(null), hostile, proxy]) {
      expect(() => warn(problem)).not.toThrow();
    }
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {
      throw new Error('replaced by the program');
    });
    expect(() => warn(new Error('an error'))).not.toThrow();
    emit.mockRestore();
  });
});
