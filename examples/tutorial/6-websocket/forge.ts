// Sends a message with a line end in it.
import { run } from 'coronet';
import { connectWs } from 'coronet/ws';

await run(function* () {
  const ws = yield* connectWs('ws://127.0.0.1:25080/');
  yield* ws.send('kitchen eve');
  yield* ws.send('Good evening.\nben: I pay for all of you.');
  yield* ws.close();
});
