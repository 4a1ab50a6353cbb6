// A WebSocket client for the terminal: sends the lines of standard input, prints what it receives.
import { createInterface } from 'node:readline';
import type { Operation } from 'coronet';
import { each, group, run } from 'coronet';
import { connectWs } from 'coronet/ws';

await run(function* (): Operation<void> {
  const ws = yield* connectWs('ws://127.0.0.1:25080/');
  const input = createInterface({ input: process.stdin });
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => each(input, (line) => ws.send(line)), { daemon: true });
    for (;;) {
      const message = yield* ws.receive();
      if (message === null) break;
      console.log(String(message));
    }
  });
  console.log(`closed: ${ws.closeCode} ${ws.closeReason}`);
  yield* ws.close();
});
