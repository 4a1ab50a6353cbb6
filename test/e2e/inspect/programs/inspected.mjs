/**
 * inspected.mjs [OPTIONS of main as JSON]: 20 idle jobs and a task 'parse', which executes the
 * lines of standard input. Prints "ready", and each line when it has been executed.
 *
 *   hold FILE   holds the event loop until FILE exists
 *   own         adds a listener for SIGUSR2 that prints "own"
 *   late        sends SIGUSR2 to the process when it exits
 *   thread      runs a program under main in a worker thread, until it has ended
 *   end         ends the program
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { each, group, main, sleepForever, until } from '../../../../dist/index.js';

const THREAD = `import(${JSON.stringify(import.meta.resolve('../../../../dist/index.js'))})
  .then(({ main, sleep }) => main(() => sleep(1)))`;

function* parse(tasks) {
  const lines = createInterface({ input: process.stdin });
  yield* each(lines, function* (line) {
    const [command, file] = line.split(' ');
    if (command === 'hold') while (!existsSync(file));
    if (command === 'own') process.on('SIGUSR2', () => process.stdout.write('own\n'));
    if (command === 'late') process.on('exit', () => process.kill(process.pid, 'SIGUSR2'));
    if (command === 'thread') yield* until(once(new Worker(THREAD, { eval: true }), 'exit'));
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
