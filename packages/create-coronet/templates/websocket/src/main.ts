/** TCP clients at port 25000, WebSocket clients at port 25001. Ctrl-C lets them finish. */
import { all, main, tcpServer } from 'coronet';
import { wsServer } from 'coronet/ws';
import { Room } from './room.ts';

const room = new Room();

await main(function* () {
  console.log('Lines at 127.0.0.1:25000, WebSocket at ws://127.0.0.1:25001/');
  yield* all([
    tcpServer('127.0.0.1:25000', (socket) => room.serveLines(socket)),
    wsServer('127.0.0.1:25001', (ws) => room.serveWebSocket(ws)),
  ]);
});
