/** What the tests of the portable network share: waits on promises, and peers on plain node:net. */
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
import { accept, recv, writable } from './transport-waits.ts';

export { accept, readable, recv, writable } from './transport-waits.ts';

export const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };

/** Long against a write to a peer that reads, short against the patience of a test. */
const LINGER_MS = 150;

/** The network of the current test, once `freshNetwork` has been called. */
export let network: Network;
/** Sockets of plain node:net that play the peer. */
const rawSockets: Socket[] = [];
const rawServers: Server[] = [];

/** A network for each test, of which nothing may be left afterwards. */
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

export async function listen(at: Endpoint = LOOPBACK, options = {}): Promise<ListenerTransport> {
  const listener = network.listen(at, options);
  while (!listener.tryListen()) await writable(listener);
  return listener;
}

export async function connect(to: Endpoint, options = {}): Promise<Transport> {
  const transport = network.connect(to, options);
  while (!transport.tryConnect()) await writable(transport);
  return transport;
}

export async function recvAll(transport: Transport): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = await recv(transport);
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

export async function sendAll(transport: Transport, data: Uint8Array): Promise<void> {
  for (let sent = 0; sent < data.length; ) {
    const taken = transport.trySend(data.subarray(sent));
    sent += taken;
    if (taken === 0) await writable(transport);
  }
}

export async function pair(
  at: Endpoint = LOOPBACK,
): Promise<[client: Transport, server: Transport]> {
  const listener = await listen(at);
  const client = await connect(listener.local);
  return [client, await accept(listener)];
}

/** A connection whose far end is a plain socket. */
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

/** A listener of plain node:net that leaves its connections paused. */
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

export function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255));
}

export function portOf(endpoint: Endpoint): number {
  return 'port' in endpoint ? endpoint.port : -1;
}

/** Sends until the connection takes no more; the number of bytes. */
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
