// A failure cancels the other tasks. The group throws all errors after all tasks have unwound.
import type { Operation } from 'coronet';
import { GroupError, group, run, sleep, sleepForever } from 'coronet';

function* failing(): Operation<void> {
  yield* sleep(1);
  throw new Error('no such file');
}

function* waiting(): Operation<void> {
  try {
    yield* sleepForever();
  } finally {
    console.log('cleaned up');
  }
}

try {
  await run(() =>
    group(
      function* (tasks) {
        tasks.spawn(waiting);
        tasks.spawn(failing, { name: 'reader' });
      },
      { name: 'files' },
    ),
  );
} catch (error) {
  if (error instanceof GroupError) console.log(error.message);
}

// Output:
// cleaned up
// group 'files': reader: Error: no such file
