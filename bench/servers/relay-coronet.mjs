// A relay with `pipe` from the first connection of a pair to the second.
//
//   node relay-coronet.mjs <epoll | portable | auto> [entry]
//
// `entry` is the dist/index.js of another build, to compare two builds.

import { pathToFileURL } from 'node:url';
import { announce } from '../lib/control.mjs';

const [backend = 'auto', entry] = process.argv.slice(2);
const built = new URL('../../dist/index.js', import.meta.url);
const { group, listen, pipe, run } = await import(entry ? pathToFileURL(entry).href : built.href);

/** A pair ends when one of its connections ends; the other pairs continue. */
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
