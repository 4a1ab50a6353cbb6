import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, unlinkSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer, connect as rawConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Readiness } from '../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, Network, Transport } from '../world/network.ts';
import { portableNetwork } from './portable.ts';
import { READ_AHEAD, WRITE_AHEAD } from './portable-buffers.ts';
import type { PortableListener } from './portable-listener.ts';

const LOOPBACK: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };
const LOOPBACK6: Endpoint = { host: '::1', port: 0, family: 6 };

let network: Network;
/** Sockets of plain node:net that play the peer. */
let rawSockets: Socket[];
let rawServers: Server[];

beforeEach(() => {
  network = portableNetwork({ deliver: (deliver) => deliver() }, { lingerMs: 150 });
  rawSockets = [];
  rawServers = [];
});

afterEach(() => {
  network.close();
  expect(network.counters()).toEqual({ transports: 0, listeners: 0, slabs: 0 });
  expect(network.open()).toEqual([]);
  for (const socket of rawSockets) socket.destroy();
  for (const server of rawServers) server.close();
});

// The waits of a program, on promises.

function readable(resource: Readiness): Promise<void> {
  if (resource.canRecv) return Promise.resolve();
  return new Promise((grant, refuse) => {
    resource.recvWaiter = { grant, refuse };
  });
}

function writable(resource: Readiness): Promise<void> {
  if (resource.canSend) return Promise.resolve();
  return new Promise((grant, refuse) => {
    resource.sendWaiter = { grant, refuse };
  });
}

async function listen(at: Endpoint = LOOPBACK, options = {}): Promise<ListenerTransport> {
  const listener = network.listen(at, options);
  while (!listener.tryListen()) await writable(listener);
  return listener;
}

async function accept(listener: ListenerTransport): Promise<Transport> {
  for (;;) {
    const transport = listener.tryAccept();
    if (transport !== undefined) return transport;
    await readable(listener);
  }
}

async function connect(to: Endpoint, options = {}): Promise<Transport> {
  const transport = network.connect(to, options);
  while (!transport.tryConnect()) await writable(transport);
  return transport;
}

async function recv(transport: Transport, max = 65_536): Promise<Buffer> {
  for (;;) {
    const chunk = transport.tryRecv(max);
    if (chunk !== undefined) return chunk;
    await readable(transport);
  }
}

async function recvAll(transport: Transport): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = await recv(transport);
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

async function sendAll(transport: Transport, data: Uint8Array): Promise<void> {
  for (let sent = 0; sent < data.length; ) {
    const taken = transport.trySend(data.subarray(sent));
    sent += taken;
    if (taken === 0) await writable(transport);
  }
}

async function pair(at: Endpoint = LOOPBACK): Promise<[client: Transport, server: Transport]> {
  const listener = await listen(at);
  const client = await connect(listener.local);
  return [client, await accept(listener)];
}

/** A connection whose far end is a plain socket. */
async function withRawPeer(): Promise<[transport: Transport, peer: Socket]> {
  const listener = await listen();
  const peer = raw(listener.local);
  await once(peer, 'connect');
  return [await accept(listener), peer];
}

function raw(to: Endpoint): Socket {
  const options = 'path' in to ? { path: to.path } : { host: to.host, port: to.port };
  const socket = rawConnect({ ...options, allowHalfOpen: true });
  socket.on('error', () => {});
  rawSockets.push(socket);
  return socket;
}

/** A listener of plain node:net that leaves its connections paused. */
async function rawServer(): Promise<[at: Endpoint, sockets: Socket[]]> {
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

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 800 && !condition(); i++) await delay(5);
  expect(condition()).toBe(true);
}

function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255));
}

function portOf(endpoint: Endpoint): number {
  return 'port' in endpoint ? endpoint.port : -1;
}

/** Sends until the connection takes no more; the number of bytes. */
async function fill(transport: Transport): Promise<number> {
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

describe('a listener', () => {
  it('knows its real port, and accepts what connects', async () => {
    const listener = await listen();
    expect(portOf(listener.local)).toBeGreaterThan(0);
    const client = await connect(listener.local);
    const server = await accept(listener);
    expect(server.remote).toEqual(client.local);
    expect(server.local).toEqual(client.remote);
    expect(network.counters()).toEqual({ transports: 2, listeners: 1, slabs: 0 });
    expect(network.open()).toContain(`listener 127.0.0.1:${portOf(listener.local)}`);
  });

  it('fails with EADDRINUSE where another one listens, again and again', async () => {
    const first = await listen();
    const second = network.listen(first.local, {});
    await writable(second);
    const refusal = expect.objectContaining({ code: 'EADDRINUSE', syscall: 'listen' });
    expect(() => second.tryListen()).toThrow(refusal);
    expect(() => second.tryListen()).toThrow(refusal);
  });

  it('gives nothing when nobody has connected, and wakes who waits', async () => {
    const listener = await listen();
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.canRecv).toBe(false);
    const woken = readable(listener);
    raw(listener.local);
    await woken;
    expect(listener.tryAccept()).toBeDefined();
  });

  it('resets connections beyond the backlog and counts them', async () => {
    const listener = await listen(LOOPBACK, { backlog: 3 });
    const peers: Socket[] = [];
    for (let i = 0; i < 8; i++) {
      const peer = raw(listener.local).resume();
      peers.push(peer);
      await new Promise((resolve) => peer.once('connect', resolve).once('close', resolve));
    }
    await until(() => (listener as PortableListener).overflowed === 5);
    await until(() => peers.filter((peer) => peer.destroyed).length === 5);
    for (let i = 0; i < 3; i++) expect(listener.tryAccept()).toBeDefined();
    expect(listener.tryAccept()).toBeUndefined();
  });

  it('resets what nobody has accepted when it closes', async () => {
    const listener = await listen();
    const peer = raw(listener.local);
    await readable(listener);
    listener.close();
    const [error] = await once(peer, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('skips a connection that died in the queue', async () => {
    const listener = await listen();
    const dead = raw(listener.local);
    await once(dead, 'connect');
    await readable(listener);
    dead.resetAndDestroy();
    await delay(20);
    const alive = raw(listener.local);
    await once(alive, 'connect');
    const server = await accept(listener);
    expect(portOf(server.remote)).toBe(alive.localPort);
  });

  it('wakes its waiter with ERR_CLOSED, and throws it ever after', async () => {
    const listener = await listen();
    const waiting = readable(listener);
    listener.close();
    listener.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(() => listener.tryAccept()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    expect(() => listener.tryListen()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  });

  it('leaves no port bound when it is closed before it listens', async () => {
    const listener = network.listen(LOOPBACK, {});
    listener.close();
    const { port } = (await listen()).local as { port: number };
    expect(port).toBeGreaterThan(0);
    await delay(20);
    expect(portOf(listener.local)).toBe(0);
  });

  it('serves IPv6', async () => {
    const [client, server] = await pair(LOOPBACK6);
    expect(client.remote).toMatchObject({ host: '::1', family: 6 });
    await sendAll(client, Buffer.from('six'));
    expect(String(await recv(server))).toBe('six');
  });

  it('on :: serves IPv4 too, unless it is told not to', async () => {
    const both = await listen({ host: '::', port: 0, family: 6 });
    await connect({ host: '127.0.0.1', port: portOf(both.local), family: 4 });
    expect((await accept(both)).remote).toMatchObject({ host: '::ffff:127.0.0.1' });

    const only = await listen({ host: '::', port: 0, family: 6 }, { ipv6Only: true });
    const refused = connect({ host: '127.0.0.1', port: portOf(only.local), family: 4 });
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a Unix listener', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portable-'));
    path = join(folder, 'x.sock');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('serves its path and removes the file when it closes', async () => {
    const listener = await listen({ path });
    const client = await connect({ path });
    const server = await accept(listener);
    expect(server.local).toEqual({ path });
    expect(client.remote).toEqual({ path });
    expect(server.describe()).toBe(path);
    client.noDelay = false;
    await sendAll(client, Buffer.from('path'));
    client.close();
    expect(String(await recvAll(server))).toBe('path');
    server.reset();
    listener.close();
    expect(existsSync(path)).toBe(false);
  });

  it('leaves the file of its successor alone', async () => {
    const old = await listen({ path });
    unlinkSync(path);
    const successor = await listen({ path });
    old.close();
    await connect({ path });
    expect(await accept(successor)).toBeDefined();
    expect(readdirSync(folder)).toEqual(['x.sock']);
  });
});

describe('an attempt to connect', () => {
  it('is under way first, and would block in both directions', async () => {
    const listener = await listen();
    const client = network.connect(listener.local, {});
    expect(client.tryConnect()).toBe(false);
    expect(client.trySend(Buffer.from('x'))).toBe(0);
    expect(client.tryRecv(1)).toBeUndefined();
    await writable(client);
    expect(client.tryConnect()).toBe(true);
  });

  it('fails with ECONNREFUSED in the shape that Node gives it', async () => {
    const listener = await listen();
    const { port } = listener.local as { port: number };
    listener.close();
    await delay(5);
    const client = network.connect({ host: '127.0.0.1', port, family: 4 }, {});
    await writable(client);
    const refusal = { code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port };
    for (let i = 0; i < 2; i++) {
      expect(() => client.tryConnect()).toThrow(expect.objectContaining(refusal));
    }
    expect(network.counters().transports).toBe(1);
    client.close();
    expect(network.counters().transports).toBe(0);
  });

  it('fails with ENOENT where there is no Unix path', async () => {
    const attempt = connect({ path: join(tmpdir(), 'nobody-listens-here.sock') });
    await expect(attempt).rejects.toMatchObject({ code: 'ENOENT', syscall: 'connect' });
  });

  it('binds the near end first where it is asked to', async () => {
    const listener = await listen();
    const localAddress: Endpoint = { host: '127.0.0.2', port: 0, family: 4 };
    const client = await connect(listener.local, { localAddress });
    expect(client.local).toMatchObject({ host: '127.0.0.2' });
  });

  it('is given up by close, which wakes its waiter', async () => {
    const listener = await listen();
    for (const end of ['close', 'reset'] as const) {
      const client = network.connect(listener.local, {});
      client.tryConnect();
      const waiting = writable(client);
      client[end]();
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      expect(() => client.tryConnect()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    }
  });
});

describe('receiving', () => {
  it('would block on a quiet connection, and wakes a waiter that never tried', async () => {
    const [client, server] = await pair();
    const waiting = readable(server);
    await sendAll(client, Buffer.from('hello'));
    await waiting;
    expect(String(server.tryRecv(100))).toBe('hello');
    expect(server.tryRecv(100)).toBeUndefined();
    expect(server.canRecv).toBe(false);
  });

  it('hands out slices of at most max bytes and keeps the rest', async () => {
    const [client, server] = await pair();
    await sendAll(client, Buffer.from('abcdefgh'));
    expect(String(await recv(server, 3))).toBe('abc');
    const into = new Uint8Array(4);
    expect(server.tryRecvInto(into)).toBe(4);
    expect(String(Buffer.from(into))).toBe('defg');
    expect(server.canRecv).toBe(true);
    expect(String(server.tryRecv(3))).toBe('h');
    expect(server.tryRecvInto(into)).toBe(-1);
  });

  it('gives queued bytes before the end of file, which stays', async () => {
    const [client, server] = await pair();
    await sendAll(client, Buffer.from('last words'));
    client.shutdown('send');
    await delay(20);
    expect(String(server.tryRecv(4))).toBe('last');
    expect(String(server.tryRecv(100))).toBe(' words');
    expect(server.canRecv).toBe(true);
    expect(server.tryRecv(100)).toHaveLength(0);
    expect(server.tryRecvInto(new Uint8Array(1))).toBe(0);
    expect(server.tryRecv(100)).toHaveLength(0);
  });

  it('gives queued bytes before ECONNRESET, which stays', async () => {
    const [server, peer] = await withRawPeer();
    peer.write('last words');
    await until(() => server.canRecv);
    peer.resetAndDestroy();
    await until(() => peer.destroyed);
    await delay(20);
    expect(String(server.tryRecv(100))).toBe('last words');
    const reset = expect.objectContaining({ code: 'ECONNRESET', syscall: 'read' });
    expect(() => server.tryRecv(100)).toThrow(reset);
    expect(() => server.tryRecvInto(new Uint8Array(1))).toThrow(reset);
    expect(() => server.trySend(Buffer.from('x'))).toThrow(
      expect.objectContaining({ code: 'EPIPE', syscall: 'write' }),
    );
  });

  it('loses nothing to a reset that comes while the reader is behind', async () => {
    const [server, peer] = await withRawPeer();
    peer.write(pattern(150_000));
    await delay(50);
    peer.resetAndDestroy();
    await until(() => peer.destroyed);
    await delay(20);
    let total = 0;
    const failure = (async () => {
      for (;;) total += (await recv(server)).length || 1e9;
    })();
    await expect(failure).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(total).toBe(150_000);
  });

  it('reads no further ahead than its bound when nobody takes the bytes', async () => {
    const [server, peer] = await withRawPeer();
    peer.write(pattern(300_000));
    await delay(50);
    let held = 0;
    for (let chunk = server.tryRecv(65_536); chunk; chunk = server.tryRecv(65_536)) {
      held += chunk.length;
    }
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThanOrEqual(READ_AHEAD + 2 * 65_536);
    let total = held;
    while (total < 300_000) total += (await recv(server)).length;
    expect(total).toBe(300_000);
  });

  it('wakes a waiter with ECONNRESET', async () => {
    const [server, peer] = await withRawPeer();
    const waiting = readable(server);
    peer.resetAndDestroy();
    await waiting;
    expect(() => server.tryRecv(1)).toThrow(expect.objectContaining({ code: 'ECONNRESET' }));
  });
});

describe('sending', () => {
  it('leaves the memory to the caller at once', async () => {
    const [client, server] = await pair();
    const data = Buffer.alloc(1000);
    const expected: Buffer[] = [];
    for (let i = 0; i < 400; i++) {
      data.fill(i & 255);
      expected.push(Buffer.from(data));
      await sendAll(client, data);
    }
    data.fill(255);
    client.shutdown('send');
    expect((await recvAll(server)).equals(Buffer.concat(expected))).toBe(true);
  });

  it('leaves the memory to the caller also when the kernel is full', async () => {
    const [client, server] = await pair();
    const block = Buffer.alloc(50_000);
    let sent = 0;
    for (;;) {
      block.fill((sent / block.length) & 255);
      const taken = client.trySend(block);
      sent += taken;
      if (taken < block.length) break;
    }
    block.fill(255);
    const chunks: Buffer[] = [];
    for (let got = 0; got < sent; got += chunks.at(-1)?.length ?? 0)
      chunks.push(await recv(server));
    const received = Buffer.concat(chunks);
    const wrong = received.findIndex((byte, i) => byte !== (Math.floor(i / block.length) & 255));
    expect(wrong).toBe(-1);
  });

  it('would block when the peer does not read, holds a bounded rest, and wakes on room', async () => {
    const [client, server] = await pair();
    await fill(client);
    expect(client.trySend(Buffer.alloc(1))).toBe(0);
    expect(client.canSend).toBe(false);
    const waiting = writable(client);
    const reading = (async () => {
      while (!client.canSend) await recv(server);
    })();
    await waiting;
    await reading;
    expect(client.trySend(Buffer.alloc(1))).toBe(1);
  });

  it('carries a megabyte to a slow reader', async () => {
    const [client, server] = await pair();
    const data = pattern(1_000_000);
    const sending = sendAll(client, data).then(() => client.shutdown('send'));
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = await recv(server, 10_000);
      if (chunk.length === 0) break;
      chunks.push(chunk);
      if (chunks.length % 10 === 0) await delay(1);
    }
    await sending;
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
  });

  it('takes several pieces in order, at most 64 and as many bytes as fit', async () => {
    const [client, server] = await pair();
    const pieces = ['a', '', 'bc', 'def'].map((text) => Buffer.from(text));
    expect(client.trySendv(pieces)).toBe(6);
    expect(String(await recv(server))).toBe('abcdef');
    expect(client.trySendv(Array.from({ length: 100 }, () => Buffer.from('x')))).toBe(64);
    expect(client.trySendv([Buffer.alloc(60_000), Buffer.alloc(60_000)])).toBe(WRITE_AHEAD);
  });

  it('fails with EPIPE after its side was shut down, and the peer sees the end', async () => {
    const [client, server] = await pair();
    await sendAll(client, Buffer.from('bye'));
    client.shutdown('send');
    const pipe = expect.objectContaining({ code: 'EPIPE', syscall: 'write' });
    expect(() => client.trySend(Buffer.from('x'))).toThrow(pipe);
    expect(() => client.trySendv([Buffer.from('x')])).toThrow(pipe);
    expect(String(await recvAll(server))).toBe('bye');
    await sendAll(server, Buffer.from('still here'));
    expect(String(await recv(client))).toBe('still here');
  });

  it('fails with EPIPE once the peer has reset, and receivers keep their end of file', async () => {
    const [server, peer] = await withRawPeer();
    peer.end();
    expect(await recvAll(server)).toHaveLength(0);
    peer.destroy();
    await delay(10);
    const failure = (async () => {
      for (let i = 0; i < 100; i++) {
        server.trySend(Buffer.from('x'));
        await delay(2);
      }
    })();
    await expect(failure).rejects.toMatchObject({ code: 'EPIPE' });
    expect(server.tryRecv(1)).toHaveLength(0);
  });

  it('wakes a waiting sender when the peer resets', async () => {
    const [server, peer] = await withRawPeer();
    peer.pause();
    await fill(server);
    const waiting = writable(server);
    peer.resetAndDestroy();
    await waiting;
    expect(() => server.trySend(Buffer.from('x'))).toThrow(
      expect.objectContaining({ code: 'EPIPE' }),
    );
  });
});

describe('the end of a connection', () => {
  it('shutdown of the receiving side is end of file, and drops what comes in', async () => {
    const [client, server] = await pair();
    await sendAll(client, Buffer.from('unread'));
    await readable(server);
    const waiting = readable(client);
    client.shutdown('recv');
    server.shutdown('recv');
    await waiting;
    expect(client.tryRecv(1)).toHaveLength(0);
    expect(server.tryRecv(1)).toHaveLength(0);
    await sendAll(client, pattern(200_000));
    await delay(20);
    expect(server.tryRecv(1)).toHaveLength(0);
    await sendAll(server, Buffer.from('x'));
  });

  it('close delivers what was sent, although the kernel was full', async () => {
    const [client, server] = await pair();
    const total = await fill(client);
    client.close();
    expect(await recvAll(server)).toHaveLength(total);
  });

  it('close wakes both waiters with ERR_CLOSED, once, and makes every try throw it', async () => {
    const [client] = await pair();
    await fill(client);
    const waiting = Promise.allSettled([readable(client), writable(client)]);
    client.close();
    client.close();
    client.reset();
    const closed = { code: 'ERR_CLOSED' };
    for (const result of await waiting) expect(result).toMatchObject({ reason: closed });
    const tries = [
      () => client.tryRecv(1),
      () => client.tryRecvInto(new Uint8Array(1)),
      () => client.trySend(Buffer.from('x')),
      () => client.trySendv([Buffer.from('x')]),
      () => client.tryConnect(),
    ];
    for (const attempt of tries) expect(attempt).toThrow(expect.objectContaining(closed));
    client.shutdown('both');
  });

  it('keeps the addresses after close', async () => {
    const [client, server] = await pair();
    const { local, remote } = server;
    client.reset();
    await readable(server);
    server.close();
    await delay(10);
    expect([server.local, server.remote]).toEqual([local, remote]);
    expect(server.describe()).toBe(`127.0.0.1:${portOf(remote)}`);
  });

  it('reset reaches the peer, also after a shutdown and with bytes unsent', async () => {
    const preludes: ((transport: Transport) => unknown)[] = [
      () => {},
      fill,
      (transport) => transport.shutdown('send'),
      async (transport) => {
        await fill(transport);
        transport.shutdown('send');
      },
    ];
    for (const prelude of preludes) {
      const [server, peer] = await withRawPeer();
      await prelude(server);
      let failure: unknown;
      peer.on('error', (error) => {
        failure = error;
      });
      server.reset();
      peer.resume();
      // A peer that has seen the end already learns of the reset when it writes.
      await until(() => {
        if (!peer.destroyed) peer.write('x');
        return failure !== undefined;
      });
      expect((failure as NodeJS.ErrnoException).code).toMatch(/^(ECONNRESET|EPIPE)$/);
    }
  });

  it('gives up a closed connection whose peer takes nothing', { timeout: 10_000 }, async () => {
    const [at, sockets] = await rawServer();
    const client = await connect(at);
    await fill(client);
    client.close();
    await until(() => sockets.length === 1);
    // The far end learns of it by the reset that answers its own bytes.
    await until(() => {
      if (!sockets[0]?.destroyed) sockets[0]?.write('x');
      return sockets[0]?.destroyed === true;
    });
  });

  it('survives two thousand connections without keeping anything', async () => {
    const listener = await listen();
    for (let round = 0; round < 50; round++) {
      const clients = await Promise.all(Array.from({ length: 40 }, () => connect(listener.local)));
      for (const client of clients) {
        const server = await accept(listener);
        await sendAll(server, Buffer.from('x'));
        client.close();
        server.close();
      }
      await turn();
    }
    expect(network.counters()).toEqual({ transports: 0, listeners: 1, slabs: 0 });
  });
});
