import { expect, test } from 'vitest';
import { patternOf } from './text.ts';

test.each([
  ['worker 12', 'worker *'],
  ['worker-12', 'worker-*'],
  ['connection 127.0.0.1:51512', 'connection *'],
  ['connection [::1]:80', 'connection *'],
  ['peer fe80::1', 'peer *'],
  ['session 3f2a9c1e-0b7d-4e55-9f33-aa0011bb2233', 'session *'],
  ['session af2a9c1e-0b7d-4e55-9f33-aa0011bb2233', 'session *'],
  ['GET /users/12/posts', 'GET /users/*'],
  ["join of task 7 'writer'", "join of task * 'writer'"],
  ['no digits', 'no digits'],
])('the pattern of the name %o is %o', (name, pattern) => {
  expect(patternOf(name)).toBe(pattern);
});
