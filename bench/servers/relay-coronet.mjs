// A relay with `pipe`: what the first connection of a pair sends goes to the second.
//
//   node relay-coronet.mjs <epoll | portable | auto> [entry]
//
// `entry` is another build's dist/index.js, for a comparison before ↔ after.

import { pathToFileURL } from 'node:url';
import { announce } from '../lib/control.mjs';

const [backend = 'auto', entry] = process.argv.slice(2);
const built = new URL('../../dist/index.js', import.meta.url);
const { group, listen, pipe, run } = await import(entry ? pathToFileURL(entry).href : built.href);

/** A pair ends when either side does; the others go on. */
function* relay(from, to) {
  try {
    yield* pipe(from, to);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  } finally {
    from.close();
    to.close();
  }
}

function* serve() {
  const listener = yield* listen('127.0.0.1:0');
  announce(listener.address.port);
  yield* group(function* (pairs) {
    for (;;) {
      const from = yield* listener.accept();
      const to = yield* listener.accept();
      pairs.spawn(() => relay(from, to));
    }
  });
}

await run(serve, { backend });
