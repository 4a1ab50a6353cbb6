/** A forgotten `yield*` on a socket is reported by the next operation, which clears the state. */
import { expect, test } from 'vitest';
import { runWithPair } from '../../test/support/sockets.ts';
import { group } from '../kernel/task/group.ts';

const forgotten = expect.objectContaining({
  code: 'ERR_NOT_DRIVEN',
  message: expect.stringMatching(
    /wrong: {2}socket\.sendAll.*\n *right: {2}yield\* socket\.sendAll/,
  ),
});

test('a send after an undriven send throws an error with the wrong and the right line', () =>
  runWithPair(function* (near, far) {
    near.sendAll('lost');
    expect(() => near.sendAll('again')).toThrow(forgotten);
    yield* near.sendAll('sent');
    expect(String(yield* far.recv())).toBe('sent');
  }));

test('a receive after an undriven receive throws the same error', () =>
  runWithPair(function* (near, far) {
    near.recv();
    expect(() => near.recv()).toThrow(expect.objectContaining({ code: 'ERR_NOT_DRIVEN' }));
    yield* far.sendAll('x');
    expect(String(yield* near.recv())).toBe('x');
  }));

test('an operation cannot be driven twice', () =>
  runWithPair(function* (near, far) {
    const operation = near.sendAll('once');
    yield* operation;
    expect(() => operation[Symbol.iterator]()).toThrow(
      expect.objectContaining({ code: 'ERR_ALREADY_DRIVEN' }),
    );
    expect(String(yield* far.recv())).toBe('once');
  }));

test('a second operation fails with ERR_BUSY and does not affect the one in progress', () =>
  runWithPair(function* (near, far) {
    yield* group(function* (tasks) {
      const first = tasks.spawn(() => near.recv());
      yield;
      let code = '';
      try {
        yield* near.recv();
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect(code).toBe('ERR_BUSY');
      yield* far.sendAll('for the first');
      expect(String(yield* first.join())).toBe('for the first');
    });
  }));
