// A chat gateway: WebSocket clients at WS_PORT, line clients (nc) at LINE_PORT, probes at HEALTH
// ('none': no probes, in a worker of workers.ts).
// With NATS, the address of a server, all gateways share their rooms; without, it is alone.
import type { Operation, Socket } from 'coronet';
import { group, Lock, main, tcpServer } from 'coronet';
import { health } from 'coronet/health';
import { localTopics, natsTopics } from 'coronet/topics';
import type { WebSocketConnection } from 'coronet/ws';
import { wsServer } from 'coronet/ws';
import { Presence } from './presence.ts';
import type { Gateway } from './session.ts';
import { relay, session } from './session.ts';

const { WS_PORT = '25080', LINE_PORT = '25000', HEALTH = '127.0.0.1:9090', NATS } = process.env;

function overLines(socket: Socket, gateway: Gateway): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const sending = new Lock();
  return session(
    {
      receive: () => reader.readLine(),
      send: (line) => sending.with(() => socket.sendAll(`${line}\n`)),
    },
    gateway,
  );
}

function overWebSocket(ws: WebSocketConnection, gateway: Gateway): Operation<void> {
  const receive = function* (): Operation<string | null> {
    const message = yield* ws.receive();
    // A line has no line end inside: a client could forge lines of others.
    return message === null ? null : String(message).replace(/[\r\n]+/g, ' ');
  };
  return session({ receive, send: (line) => ws.send(line) }, gateway);
}

function* program(): Operation<void> {
  using topics = NATS ? yield* natsTopics({ servers: NATS.split(',') }) : yield* localTopics();
  using local = yield* localTopics();
  const presence = new Presence(topics);
  const gateway: Gateway = { topics, local, presence };
  yield* group(function* (tasks): Operation<void> {
    const isReady = (): boolean => topics.state === 'connected';
    const probes = () => health(HEALTH, { ready: isReady, servers: { topics } });
    if (HEALTH !== 'none') tasks.spawn(probes, { daemon: true });
    tasks.spawn(() => presence.follow(), { daemon: true });
    tasks.spawn(() => presence.expire(), { daemon: true });
    tasks.spawn(() => relay(gateway), { daemon: true });
    const limits = { maxConnections: 10_000, idleTimeoutMs: 600_000 };
    const lines = (socket: Socket) => overLines(socket, gateway);
    tasks.spawn(() => tcpServer(Number(LINE_PORT), lines, limits));
    tasks.spawn(() => wsServer(Number(WS_PORT), (ws) => overWebSocket(ws, gateway), limits));
  });
}

await main(program, { graceMs: 10_000 });
