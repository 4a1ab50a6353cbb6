/** PROXY protocol: every client is served under its own address; other senders are rejected. */
import type { Operation, Server, Socket, SocketAddress } from 'coronet';
import { all, connect, pipe, sleep, tcpServer } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import {
  check,
  codeOf,
  HOSTILE,
  ignoreNetworkErrors,
  Random,
  receiveAll,
  WorkingHosts,
} from './support.ts';

const TIMEOUT_MS = 1000;

/** Sends the address of the peer, then echoes. */
function* echoWithAddress(socket: Socket, peer: SocketAddress): Operation<void> {
  check(`${socket.remoteAddress}` === `${peer}`, 'The socket and the peer have other addresses');
  const received = yield* receiveAll(socket);
  yield* socket.sendAll(Buffer.concat([Buffer.from(`${peer}\n`), received]));
}

function headerFor({ remoteAddress: from, localAddress: to }: Socket): Buffer {
  return Buffer.from(`PROXY TCP4 ${from.host} ${to.host} ${from.port} ${to.port}\r\n`);
}

/** Sends the header in parts, with pauses, then forwards in both directions. */
function* forward(random: Random, client: Socket): Operation<void> {
  using upstream = yield* connect('server:80');
  const header = headerFor(client);
  for (let at = 0; at < header.length; ) {
    const next = Math.min(header.length, at + random.integer(1, header.length));
    yield* upstream.sendAll(header.subarray(at, next));
    if (random.happens(0.3)) yield* sleep(random.integer(0, 20));
    at = next;
  }
  yield* all([() => pipe(client, upstream), () => pipe(upstream, client)]);
}

/** Opens a connection whose header is never complete. */
function* sendIncompleteHeader(random: Random): Operation<void> {
  using upstream = yield* connect('server:80');
  yield* ignoreNetworkErrors(function* (): Operation<void> {
    yield* upstream.sendAll('PROXY TCP4 10.9.9.9'.slice(0, random.integer(0, 19)));
    if (random.happens(0.5)) upstream.shutdown('send');
    const received = yield* receiveAll(upstream);
    check(received.length === 0, `An incomplete header was answered: ${received.length} bytes`);
  });
}

function* ask(random: Random): Operation<void> {
  yield* sleep(random.integer(0, 20));
  using socket = yield* connect('proxy:80');
  const request = random.bytes(random.pick([0, 1, 100, 5000]));
  yield* socket.sendAll(request);
  socket.shutdown('send');
  const answer = yield* receiveAll(socket);
  const expected = Buffer.concat([Buffer.from(`${socket.localAddress}\n`), request]);
  check(
    answer.equals(expected),
    `${socket.localAddress} was answered as ${answer.subarray(0, 40)}`,
  );
}

/** Connects to the server directly and sends a header without being a trusted proxy. */
function* connectDirectly(random: Random): Operation<void> {
  yield* sleep(random.integer(0, 20));
  using socket = yield* connect('server:80');
  try {
    yield* socket.sendAll('PROXY TCP4 10.9.9.9 10.0.0.1 1 2\r\nhello');
    socket.shutdown('send');
    yield* receiveAll(socket);
    check(false, 'An untrusted peer was served');
  } catch (error) {
    check(/ECONNRESET|EPIPE/.test(codeOf(error)), `An untrusted peer got ${String(error)}`);
  }
}

function* serveBehindProxy(world: World): Operation<void> {
  const random = new Random(world);
  const clients = new WorkingHosts(world);
  let server: Server | undefined;
  const onListening = (listening: Server): void => {
    server = listening;
  };
  const proxy = world.host('proxy', () =>
    tcpServer('0.0.0.0:80', (client) => forward(random, client)),
  );
  const proxyProtocol = { trusted: [proxy.address], timeoutMs: TIMEOUT_MS };
  const onError = (): void => {}; // The stats below count failures.
  const options = { proxyProtocol, onListening, onError };
  world.host('server', () => tcpServer(80, echoWithAddress, options));
  yield* sleep(1);
  const [asking, untrusted] = [random.integer(1, 4), random.integer(0, 2)];
  for (let i = asking; i > 0; i--) clients.host(`client${i}`, () => ask(random));
  for (let i = untrusted; i > 0; i--) clients.host(`stranger${i}`, () => connectDirectly(random));
  yield* clients.allDone();
  const { accepted, refused } = (server as unknown as Server).stats();
  check(accepted === asking, `${accepted} of ${asking} clients were served`);
  check(refused.untrusted === untrusted, `${refused.untrusted} of ${untrusted} were refused`);
}

/** A trusted proxy opens connections whose headers are incomplete. */
function* onlyIncompleteHeaders(world: World): Operation<void> {
  const random = new Random(world);
  const proxyProtocol = { trusted: [world.self.address], timeoutMs: TIMEOUT_MS };
  let failures = 0;
  const onError = (error: unknown): void => {
    failures++;
    check(/ERR_PROXY_HEADER|ERR_TIMEOUT/.test(codeOf(error)), `Unexpected: ${String(error)}`);
  };
  world.host('server', () => tcpServer(80, echoWithAddress, { proxyProtocol, onError }));
  yield* sleep(1);
  const began = world.now();
  const count = random.integer(1, 5);
  yield* all(Array.from({ length: count }, () => () => sendIncompleteHeader(random)));
  const took = world.now() - began;
  check(took < TIMEOUT_MS + 1000, `The server waited ${took} ms for a header`);
  check(failures <= count, `${failures} failures of ${count} connections were reported`);
}

export const behindProxy: Campaign = {
  name: 'behind-proxy',
  shows: 'every client of a proxy has its own address, and untrusted peers are refused',
  scenario: serveBehindProxy,
  options: { faults: HOSTILE, link: { latencyMs: [1, 10] } },
};

export const incompleteHeaders: Campaign = {
  name: 'incomplete-headers',
  shows: 'a connection without a complete PROXY header ends in time and reaches no handler',
  scenario: onlyIncompleteHeaders,
  options: { faults: HOSTILE, link: { latencyMs: [1, 10] } },
};
