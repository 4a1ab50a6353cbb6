// ws, errors: a client sends a frame without a mask, which RFC 6455 forbids. ws emits 'error' on
// the connection, nothing listens for it, and the exception ends the process.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
server.on('connection', (ws) => {
  ws.on('message', (data) => ws.send(`GOT:${data}`));
});
await once(server, 'listening');

const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
client.write(
  [
    'GET / HTTP/1.1',
    'Host: example.test',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    '\r\n',
  ].join('\r\n'),
);
await once(client, 'data');
client.write(Buffer.from([0x81, 2, 0x68, 0x69])); // 'hi' as text, not masked
await once(server, 'close');

// Ends the process:
// Unhandled 'error' event
// RangeError: Invalid WebSocket frame: MASK must be set
