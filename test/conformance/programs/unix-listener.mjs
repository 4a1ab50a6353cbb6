/**
 * One of several servers that compete for a Unix path: unix-listener.mjs BACKEND. For every path
 * that its parent sends, it sends 'listening' or an error code. 'close' closes the listener.
 */
import { listen, once, run } from '../../../dist/index.js';

function* attempt(path) {
  try {
    return yield* listen(path);
  } catch (error) {
    return error.code;
  }
}

function* competitor() {
  let listener;
  for (;;) {
    process.send('ready');
    const [message] = yield* once(process, 'message');
    if (message === 'end') return process.disconnect();
    if (message === 'close') {
      listener?.close();
      listener = undefined;
      continue;
    }
    const outcome = yield* attempt(message);
    listener = typeof outcome === 'string' ? undefined : outcome;
    process.send(listener === undefined ? outcome : 'listening');
  }
}

await run(competitor, { backend: process.argv[2] });
