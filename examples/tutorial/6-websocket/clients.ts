// The transports of the chat: lines over TCP, and text messages over WebSocket.
import type { Socket } from 'coronet';
import { currentScope, Lock } from 'coronet';
import type { WebSocketConnection } from 'coronet/ws';
import type { Client } from './session.ts';

export function lineClient(socket: Socket): Client {
  const reader = socket.reader({ max: 1000 });
  const sending = new Lock();
  const send = (line: string) => sending.with(() => socket.sendAll(`${line}\n`));
  return {
    *receive() {
      const line = yield* reader.readLine();
      if (line === null && currentScope().stopping) yield* send('* the server stops');
      return line;
    },
    send,
  };
}

export function webSocketClient(ws: WebSocketConnection): Client {
  return {
    *receive() {
      const message = yield* ws.receive();
      return message === null ? null : String(message).replace(/[\r\n]+/g, ' ');
    },
    send: (line) => ws.send(line),
  };
}
