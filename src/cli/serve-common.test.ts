import { expect, it } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../kernel/operation.ts';
import { withListenAdvice } from './serve-common.ts';

it('an error for a port in use suggests another valid port', () => {
  for (const [port, other] of [
    [25000, 25001],
    [65535, 0],
  ] as const) {
    const call = { command: 'coronet echo', host: '127.0.0.1', port };
    const failing = function* (): Operation<void> {
      throw Object.assign(new Error('in use'), { code: 'EADDRINUSE' });
    };
    expect(() => play(() => withListenAdvice(failing(), call))).toThrow(
      `coronet echo --port ${other}`,
    );
  }
});
