// A WebSocket chat on three simulated hosts: the server crashes and is restarted, and the network
// is cut between it and one client. Each client connects again until its lines are confirmed. A
// line that was echoed to its sender is in the log of the server, once.
import type { Operation } from 'coronet';
import { retry, sleep, timeout } from 'coronet';
import type { Scenario, SimOptions, World } from 'coronet/sim';
import type { WebSocketConnection } from 'coronet/ws';
import { connectWs, prepareMessage, wsServer } from 'coronet/ws';

const LINES = ['one', 'two', 'three'];

interface Chat {
  /** The log, which survives a crash. */
  readonly log: string[];
  readonly confirmed: Set<string>;
}

function* serve({ log }: Chat): Operation<void> {
  const members = new Set<WebSocketConnection>();
  yield* wsServer('0.0.0.0:80', function* (ws) {
    members.add(ws);
    try {
      for (;;) {
        const line = yield* ws.receive();
        if (line === null) return;
        if (!log.includes(String(line))) log.push(String(line));
        const message = prepareMessage(line);
        for (const member of members) yield* timeout(1000, member.send(message));
      }
    } finally {
      members.delete(ws);
    }
  });
}

function* say(chat: Chat, line: string): Operation<void> {
  using ws = yield* connectWs('ws://server/chat', { pingIntervalMs: 500, pongTimeoutMs: 500 });
  yield* ws.send(line);
  for (;;) {
    const received = yield* ws.receive();
    if (received === null) throw new Error('The server has closed the connection');
    if (received === line) break;
  }
  chat.confirmed.add(line);
  yield* ws.close();
}

export function* scenario(world: World): Operation<void> {
  const chat: Chat = { log: [], confirmed: new Set() };
  const server = world.host('server', () => serve(chat));
  world.always('each line is in the log once', () => new Set(chat.log).size === chat.log.length);
  world.always('what was echoed is in the log', () =>
    [...chat.confirmed].every((line) => chat.log.includes(line)),
  );
  world.eventually('every line is echoed', () => chat.confirmed.size === 6, { withinMs: 120_000 });
  for (const name of ['alice', 'bob']) {
    world.host(name, function* () {
      for (const line of LINES) {
        const attempt = () => timeout(3000, say(chat, `${name}: ${line}`));
        yield* retry(attempt, { times: Infinity, delayMs: 50, jitter: 1 });
      }
    });
  }
  yield* sleep(world.random() * 200);
  world.crash(server);
  yield* sleep(world.random() * 1000);
  world.restart(server);
  yield* sleep(world.random() * 500);
  world.partition(server, 'alice');
  yield* sleep(world.random() * 2000);
  world.heal(server, 'alice');
}

const options: SimOptions = {
  link: { latencyMs: [1, 20], loss: 0.02 },
  faults: { resets: 0.005, shortReads: 0.2 },
};

const chat: { scenario: Scenario; options: SimOptions } = { scenario, options };

export default chat;
