/** A room for TCP clients, which send lines, and browsers, which send WebSocket messages. */
import type { Operation, Socket } from 'coronet';
import { Broadcast, group } from 'coronet';
import type { WebSocketConnection } from 'coronet/ws';

/** Either kind of client, as the room uses it. */
interface Member {
  receive(): Operation<string | null>;
  send(text: string): Operation<void>;
}

export class Room {
  /** A member that is 100 messages behind is disconnected; the others do not wait for it. */
  readonly #messages = new Broadcast<string>({ capacity: 100, slow: 'fail' });

  /** Serves one TCP connection. */
  serveLines(socket: Socket): Operation<void> {
    const reader = socket.reader({ max: 1000 });
    return this.#join({
      receive: () => reader.readLine(),
      send: (text) => socket.sendAll(`${text}\n`),
    });
  }

  /** Serves one WebSocket connection. */
  serveWebSocket(ws: WebSocketConnection): Operation<void> {
    return this.#join({
      *receive(): Operation<string | null> {
        const message = yield* ws.receive();
        return message === null ? null : String(message).replace(/[\r\n]+/g, ' ');
      },
      send: (text) => ws.send(text),
    });
  }

  *#join(member: Member): Operation<void> {
    const messages = this.#messages;
    yield* group(function* (tasks): Operation<void> {
      using inbox = messages.subscribe();
      tasks.spawn(
        function* (): Operation<void> {
          for (;;) {
            const { done, value } = yield* inbox.next();
            if (done === true) return;
            yield* member.send(value);
          }
        },
        { daemon: true },
      );
      for (;;) {
        const text = yield* member.receive();
        if (text === null) return;
        yield* messages.send(text);
      }
    });
  }
}
