/** Serves a live page of 13 groups of 10 tasks until a signal, and prints its address. */
import { health } from '../../../dist/health.js';
import { group, main, sleepForever } from '../../../dist/index.js';

const letters = [...'abcdefghijklm'];

/** Different names, so that the snapshot does not show them as one. */
function* team(name) {
  yield* group(function* (tasks) {
    for (const letter of letters.slice(0, 10)) {
      tasks.spawn(sleepForever, { name: `member ${name}${letter}` });
    }
  });
}

await main(() =>
  group(function* (tasks) {
    for (const letter of letters) tasks.spawn(() => team(letter), { name: `team ${letter}` });
    const onListening = (address) => process.stdout.write(`http://${address}/\n`);
    yield* health(0, { inspect: true, onListening });
  }),
);
