/** "Did you mean": near misses are recognised, far ones are not. */
import { expect, test } from 'vitest';
import { nearest } from './checks.ts';

test('nearest() finds the word for a mistyped one', () => {
  expect(nearest('ecko', ['echo', 'doctor'])).toBe('echo');
  expect(nearest('docter', ['echo', 'doctor'])).toBe('doctor');
});

test('nearest() returns undefined for a word that resembles none', () => {
  expect(nearest('serve', ['echo', 'doctor'])).toBeUndefined();
});
