/** Shared by the tests of the portable network: its network, and peers on sockets of node:net. */
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { createServer, connect as rawConnect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import { portableNetwork } from '../../../src/node/portable/network.ts';
import type {
  Endpoint,
  ListenerTransport,
  Network,
  Transport,
} from '../../../src/world/network.ts';
import { pattern } from '../data.ts';
import type { Pair } from './transport-waits.ts';
import { accept, connectOn, listenOn, pairOn } from './transport-waits.ts';

export { accept, portOf, readable, recv, recvAll, sendAll, writable } from './transport-waits.ts';

export const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };

/** Longer than a write to a peer that reads, shorter than the timeout of a test. */
const LINGER_MS = 150;

/** The network of the current test, if `freshNetwork` was called. */
export let network: Network;
/** Sockets of node:net that act as the peer. */
const rawSockets: Socket[] = [];
const rawServers: Server[] = [];

/** Makes a network for each test, and checks that nothing is left open in it. */
export function freshNetwork(): void {
  beforeEach(() => {
    network = portableNetwork({ deliver: (deliver) => deliver() }, { lingerMs: LINGER_MS });
  });

  afterEach(() => {
    network.close();
    for (const socket of rawSockets.splice(0)) socket.destroy();
    for (const server of rawServers.splice(0)) server.close();
    expect(network.counters()).toEqual({ transports: 0, listeners: 0, datagrams: 0, slabs: 0 });
    expect(network.open()).toEqual([]);
  });
}

export function listen(at: Endpoint = LOOPBACK, options = {}): Promise<ListenerTransport> {
  return listenOn(network, at, options);
}

export function connect(to: Endpoint, options = {}): Promise<Transport> {
  return connectOn(network, to, options);
}

export function pair(at: Endpoint = LOOPBACK): Promise<Pair> {
  return pairOn(network, at);
}

/** A connection whose peer is a socket of node:net. */
export async function withRawPeer(): Promise<[transport: Transport, peer: Socket]> {
  const listener = await listen();
  const peer = raw(listener.local);
  await once(peer, 'connect');
  return [await accept(listener), peer];
}

export function raw(to: Endpoint): Socket {
  const options = 'path' in to ? { path: to.path } : { host: to.host, port: to.port };
  const socket = rawConnect({ ...options, allowHalfOpen: true });
  socket.on('error', () => {});
  rawSockets.push(socket);
  return socket;
}

/** A server of node:net that leaves its connections paused. */
export async function rawServer(): Promise<[at: Endpoint, sockets: Socket[]]> {
  const sockets: Socket[] = [];
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    rawSockets.push(socket);
  });
  rawServers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return [{ host: '127.0.0.1', port, family: 4 }, sockets];
}

export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 800 && !condition(); i++) await delay(5);
  expect(condition()).toBe(true);
}

/** Sends until the connection takes no more bytes, and returns their number. */
export async function fill(transport: Transport): Promise<number> {
  const block = pattern(65_536);
  let total = 0;
  for (let idle = 0; idle < 5; ) {
    const taken = transport.trySend(block);
    total += taken;
    idle = taken === 0 ? idle + 1 : 0;
    if (idle > 0 && idle < 5) await delay(10);
  }
  return total;
}
