/** "Did you mean": near misses are recognised, far ones are not. */
import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

test('a mistyped word finds the one that was meant', () => {
  expect(nearest('ecko', ['echo', 'doctor'])).toBe('echo');
  expect(nearest('docter', ['echo', 'doctor'])).toBe('doctor');
});

test('a word that is near to none finds none', () => {
  expect(nearest('serve', ['echo', 'doctor'])).toBeUndefined();
});
