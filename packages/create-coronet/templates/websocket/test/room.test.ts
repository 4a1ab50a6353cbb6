/** The gateway in 100 simulated networks: what one client sends, the other kind receives. */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import { connect, tcpServer, timeout } from 'coronet';
import { simulateTest } from 'coronet/sim';
import { connectWs, wsServer } from 'coronet/ws';
import { Room } from '../src/room.ts';

simulateTest(
  'a line reaches the WebSocket clients, and a message the TCP clients',
  function* (world) {
    const room = new Room();
    world.host('lines', () => tcpServer('0.0.0.0:25000', (socket) => room.serveLines(socket)));
    world.host('web', () => wsServer('0.0.0.0:25001', (ws) => room.serveWebSocket(ws)));
    using socket = yield* connect('lines:25000');
    const ws = yield* connectWs('ws://web:25001/');

    yield* ws.send('from the\nbrowser');
    assert.equal(yield* ws.receive(), 'from the browser');
    yield* socket.sendAll('from a terminal\n');
    assert.equal(yield* timeout(10_000, ws.receive()), 'from a terminal');
    yield* ws.close();
  },
  { test, runs: 100, link: { latencyMs: [1, 100] }, faults: { shortReads: 0.3 } },
);
