/** PROXY protocol: every client is served under its own name, and nobody else is served. */
import type { Operation, Server, Socket, SocketAddress } from 'coronet';
import { all, connect, pipe, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, codeOf, HOSTILE, must, receiveAll, Troop, unlessBroken } from './support.ts';

const TIMEOUT_MS = 1000;

/** Says under which name it serves, then gives back what it got. */
function* tell(socket: Socket, peer: SocketAddress): Operation<void> {
  must(`${socket.remoteAddress}` === `${peer}`, 'the socket has another name than the peer');
  const heard = yield* receiveAll(socket);
  yield* socket.sendAll(Buffer.concat([Buffer.from(`${peer}\n`), heard]));
}

function headerFor({ remoteAddress: from, localAddress: to }: Socket): Buffer {
  return Buffer.from(`PROXY TCP4 ${from.host} ${to.host} ${from.port} ${to.port}\r\n`);
}

/** Sends the header in pieces, with pauses, and then lets both talk. */
function* forward(chance: Chance, client: Socket): Operation<void> {
  using upstream = yield* connect('server:80');
  const header = headerFor(client);
  for (let at = 0; at < header.length; ) {
    const next = Math.min(header.length, at + chance.integer(1, header.length));
    yield* upstream.sendAll(header.subarray(at, next));
    if (chance.strikes(0.3)) yield* sleep(chance.integer(0, 20));
    at = next;
  }
  yield* all([() => pipe(client, upstream), () => pipe(upstream, client)]);
}

/** A connection of the proxy that never gets to the end of its header. */
function* stutter(chance: Chance): Operation<void> {
  using upstream = yield* connect('server:80');
  yield* unlessBroken(function* (): Operation<void> {
    yield* upstream.sendAll('PROXY TCP4 10.9.9.9'.slice(0, chance.integer(0, 19)));
    if (chance.strikes(0.5)) upstream.shutdown('send');
    const heard = yield* receiveAll(upstream);
    must(heard.length === 0, `half a header was answered with ${heard.length} bytes`);
  });
}

function* ask(chance: Chance): Operation<void> {
  yield* sleep(chance.integer(0, 20));
  using socket = yield* connect('proxy:80');
  const request = chance.bytes(chance.pick([0, 1, 100, 5000]));
  yield* socket.sendAll(request);
  socket.shutdown('send');
  const answer = yield* receiveAll(socket);
  const expected = Buffer.concat([Buffer.from(`${socket.localAddress}\n`), request]);
  must(answer.equals(expected), `${socket.localAddress} was answered as ${answer.subarray(0, 40)}`);
}

/** Comes past the proxy, and claims to be one. */
function* intrude(chance: Chance): Operation<void> {
  yield* sleep(chance.integer(0, 20));
  using socket = yield* connect('server:80');
  try {
    yield* socket.sendAll('PROXY TCP4 10.9.9.9 10.0.0.1 1 2\r\nhello');
    socket.shutdown('send');
    yield* receiveAll(socket);
    must(false, 'a stranger was let in');
  } catch (error) {
    must(/ECONNRESET|EPIPE/.test(codeOf(error)), `a stranger got ${String(error)}`);
  }
}

function* behind(world: World): Operation<void> {
  const chance = new Chance(world);
  const clients = new Troop(world);
  let server: Server | undefined;
  const onListening = (listening: Server): void => {
    server = listening;
  };
  const proxy = world.host('proxy', () =>
    tcpServer('0.0.0.0:80', (client) => forward(chance, client)),
  );
  const proxyProtocol = { trusted: [proxy.address], timeoutMs: TIMEOUT_MS };
  const onError = (): void => {}; // What becomes of half a header is counted below.
  world.host('server', () => tcpServer(80, tell, { proxyProtocol, onListening, onError }));
  yield* sleep(1);
  const [asking, intruding] = [chance.integer(1, 4), chance.integer(0, 2)];
  for (let i = asking; i > 0; i--) clients.host(`client${i}`, () => ask(chance));
  for (let i = intruding; i > 0; i--) clients.host(`stranger${i}`, () => intrude(chance));
  yield* clients.allDone();
  const { accepted, refused } = (server as unknown as Server).stats();
  must(accepted === asking, `${accepted} of ${asking} clients were served`);
  must(refused.untrusted === intruding, `${refused.untrusted} of ${intruding} were refused`);
}

/** Connections of a trusted proxy that come to nothing. */
function* stutterAll(world: World): Operation<void> {
  const chance = new Chance(world);
  const proxyProtocol = { trusted: [world.self.address], timeoutMs: TIMEOUT_MS };
  let told = 0;
  const onError = (error: unknown): void => {
    told++;
    must(/ERR_PROXY_HEADER|ERR_TIMEOUT/.test(codeOf(error)), `a server told ${String(error)}`);
  };
  world.host('server', () => tcpServer(80, tell, { proxyProtocol, onError }));
  yield* sleep(1);
  const began = world.now();
  const count = chance.integer(1, 5);
  yield* all(Array.from({ length: count }, () => () => stutter(chance)));
  const took = world.now() - began;
  must(took < TIMEOUT_MS + 1000, `half a header was waited for during ${took} ms`);
  must(told <= count, `${told} failures of ${count} connections were told`);
}

export const behindProxy: Campaign = {
  name: 'behind-proxy',
  shows: 'behind a proxy every client has its own name, and strangers are refused',
  scenario: behind,
  options: { faults: HOSTILE, link: { latencyMs: [1, 10] } },
};

export const halfHeaders: Campaign = {
  name: 'half-headers',
  shows: 'a proxy that does not finish its header is cut off in time, and reaches no handler',
  scenario: stutterAll,
  options: { faults: HOSTILE, link: { latencyMs: [1, 10] } },
};
