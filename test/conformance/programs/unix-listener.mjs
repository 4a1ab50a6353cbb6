/**
 * One of several servers that want the same Unix path: unix-rival.mjs BACKEND. For every path that
 * its parent sends it tells 'listening' or the code of the error; 'close' closes the listener.
 */
import { listen, once, run } from '../../../dist/index.js';

function* attempt(path) {
  try {
    return yield* listen(path);
  } catch (error) {
    return error.code;
  }
}

function* rival() {
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

await run(rival, { network: process.argv[2] });
