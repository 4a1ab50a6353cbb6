import { describe, expect, it } from 'vitest';
import { A, B, failAfter, observe, succeed } from '../../../test/support/kernel/operations.ts';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import { allSettled } from './all-settled.ts';

describe('allSettled', () => {
  it('returns how each member ended, as an array or a record', () => {
    const error = new Error('no');
    expect(play(() => allSettled([succeed(20, 1), failAfter(10, error)]))).toEqual([
      { status: 'fulfilled', value: 1 },
      { status: 'rejected', reason: error },
    ]);
    expect(play(() => allSettled({ x: failAfter(1, 'text'), y: succeed(9, 2) }))).toEqual({
      x: { status: 'rejected', reason: 'text' },
      y: { status: 'fulfilled', value: 2 },
    });
    expect(play(() => allSettled([]))).toEqual([]);
  });

  it('reports each failure once, including the one that comes last', () => {
    expect(observe(() => allSettled([failAfter(1, A), failAfter(2, B)]))).toEqual({
      result: [
        { status: 'rejected', reason: A },
        { status: 'rejected', reason: B },
      ],
      unhandled: [],
    });
  });
});
