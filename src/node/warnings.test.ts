import { runInNewContext } from 'node:vm';
import { describe, expect, test, vi } from 'vitest';
import { warningsOf } from '../../test/support/warnings.ts';
import { UsageError } from '../kernel/errors.ts';
import { warn } from './warnings.ts';

describe('warn', () => {
  test('emits any value as a process warning', async () => {
    const warnings = await warningsOf(() => {
      for (const problem of [new Error('an error'), 'a text', undefined, Symbol('s')])
        warn(problem);
    });
    const messages = warnings.map(({ message }) => message);
    expect(messages).toEqual(['an error', 'a text', 'undefined', 'Symbol(s)']);
  });

  test('emits an error as it is, with its code', async () => {
    const error = new UsageError('ERR_NO_TASK', 'outside');
    const warnings = await warningsOf(() => {
      warn(error);
      warn('a text', 'A_CODE');
    });
    expect(warnings[0]).toBe(error);
    expect(warnings[1]).toMatchObject({ name: 'Warning', message: 'a text', code: 'A_CODE' });
  });

  test('emits the name, the code and the stack of an error of another realm', async () => {
    const source = "Object.assign(new RangeError('of a vm context'), { code: 'A_CODE' })";
    const warnings = await warningsOf(() => warn(runInNewContext(source)));
    expect(warnings).toEqual([expect.any(Error)]);
    expect(warnings[0]).toMatchObject({
      name: 'RangeError',
      message: 'of a vm context',
      code: 'A_CODE',
      detail: expect.stringMatching(/^RangeError: of a vm context\n/),
    });
  });

  test('never throws', async () => {
    const hostile = {
      get message(): never {
        throw new Error('of a getter');
      },
    };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    await warningsOf(() => {
      for (const problem of [Object.create(null), hostile, proxy]) {
        expect(() => warn(problem)).not.toThrow();
      }
    });
    const emit = vi.spyOn(process, 'emitWarning').mockImplementation(() => {
      throw new Error('replaced by the program');
    });
    expect(() => warn(new Error('an error'))).not.toThrow();
    emit.mockRestore();
  });
});
