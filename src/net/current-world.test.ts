/** The world of the running task. */
import { expect, test } from 'vitest';
import { run } from '../node/run.ts';
import { backend } from './current-world.ts';

test('backend() returns the backend that the run was given', async () => {
  expect(
    await run(
      function* () {
        return backend();
      },
      { backend: 'portable' },
    ),
  ).toBe('portable');
});

test('an unknown backend is rejected with a list of the known ones', async () => {
  const network = 'epol' as 'epoll';
  await expect(run(function* () {}, { backend: network })).rejects.toMatchObject({
    code: 'ERR_BACKEND',
    message: expect.stringContaining("'auto', 'epoll' or 'portable', got 'epol'"),
  });
});
