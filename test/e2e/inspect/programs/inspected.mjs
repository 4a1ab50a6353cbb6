/**
 * inspected.mjs [OPTIONS of main as JSON]: 20 idle jobs and a task 'parse', which executes the
 * lines of standard input. Prints "ready", and each line when it has been executed.
 *
 *   hold FILE   holds the event loop until FILE exists
 *   own         adds a listener for SIGUSR2 that prints "own"
 *   end         ends the program
 */
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { each, group, main, sleepForever } from '../../../../dist/index.js';

function* parse(tasks) {
  const lines = createInterface({ input: process.stdin });
  yield* each(lines, function* (line) {
    const [command, file] = line.split(' ');
    if (command === 'hold') while (!existsSync(file));
    if (command === 'own') process.on('SIGUSR2', () => process.stdout.write('own\n'));
    if (command === 'end') tasks.cancel();
    process.stdout.write(`${line}\n`);
  });
}

const body = function* (tasks) {
  for (let i = 0; i < 20; i++) {
    tasks.spawn(() => sleepForever(), { name: `job ${i}`, daemon: true });
  }
  tasks.spawn(() => parse(tasks), { name: 'parse' });
  process.stdout.write('ready\n');
};

await main(() => group(body), JSON.parse(process.argv[2] ?? '{}'));
process.stdin.destroy();
