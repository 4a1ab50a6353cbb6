import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  accept,
  connect,
  freshNetwork,
  LOOPBACK,
  listen,
  network,
  pair,
  portOf,
  raw,
  readable,
  recv,
  recvAll,
  sendAll,
  until,
  writable,
} from '../../../test/support/network/portable-network.ts';
import type { Endpoint } from '../../world/network.ts';
import type { PortableListener } from './listener.ts';

const LOOPBACK6: Endpoint = { host: '::1', port: 0, family: 6 };

freshNetwork();

describe('a listener of the portable network', () => {
  it('has its real port and accepts a connection', async () => {
    const listener = await listen();
    expect(portOf(listener.local)).toBeGreaterThan(0);
    const client = await connect(listener.local);
    const server = await accept(listener);
    expect(server.remote).toEqual(client.local);
    expect(server.local).toEqual(client.remote);
    expect(network.counters()).toEqual({ transports: 2, listeners: 1, datagrams: 0, slabs: 0 });
    expect(network.open()).toContain(`listener 127.0.0.1:${portOf(listener.local)}`);
  });

  it('accepts connections with their own local address at a wildcard address', async () => {
    const listener = await listen({ host: '0.0.0.0', port: 0, family: 4 });
    const port = portOf(listener.local);
    await connect({ host: '127.0.0.1', port, family: 4 });
    const server = await accept(listener);
    expect(server.local).toEqual({ host: '127.0.0.1', port, family: 4 });
  });

  it('fails with EADDRINUSE every time if the port is in use', async () => {
    const first = await listen();
    const second = network.listen(first.local, {});
    await writable(second);
    const refusal = expect.objectContaining({ code: 'EADDRINUSE', syscall: 'listen' });
    expect(() => second.tryListen()).toThrow(refusal);
    expect(() => second.tryListen()).toThrow(refusal);
  });

  it('accepts nothing before a peer connects, and wakes the waiter then', async () => {
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

  it('resets queued connections when it closes', async () => {
    const listener = await listen();
    const peer = raw(listener.local);
    await readable(listener);
    listener.close();
    const [error] = await once(peer, 'error');
    expect(error).toMatchObject({ code: 'ECONNRESET' });
  });

  it('skips a queued connection that the peer has reset', async () => {
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

  it('throws ERR_CLOSED into its waiter on close, and from every later attempt', async () => {
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

  it('accepts IPv6 connections', async () => {
    const { near: client, far: server } = await pair(LOOPBACK6);
    expect(client.remote).toMatchObject({ host: '::1', family: 6 });
    await sendAll(client, Buffer.from('six'));
    expect(String(await recv(server))).toBe('six');
  });

  it('accepts IPv4 connections on :: unless `ipv6Only` is set', async () => {
    const both = await listen({ host: '::', port: 0, family: 6 });
    await connect({ host: '127.0.0.1', port: portOf(both.local), family: 4 });
    expect((await accept(both)).remote).toMatchObject({ host: '::ffff:127.0.0.1' });

    const only = await listen({ host: '::', port: 0, family: 6 }, { ipv6Only: true });
    const refused = connect({ host: '127.0.0.1', port: portOf(only.local), family: 4 });
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});

describe('a Unix listener of the portable network', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portable-'));
    path = join(folder, 'x.sock');
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('accepts connections at its path and removes the file when it closes', async () => {
    const listener = await listen({ path });
    const client = await connect({ path });
    const server = await accept(listener);
    expect(server.local).toEqual({ path });
    expect(client.remote).toEqual({ path });
    expect(server.describe()).toBe(path);
    client.setOption('noDelay', 0);
    await sendAll(client, Buffer.from('path'));
    client.close();
    expect(String(await recvAll(server))).toBe('path');
    server.reset();
    listener.close();
    expect(existsSync(path)).toBe(false);
  });

  it('removes the recorded file, and not a later file at the same path', async () => {
    expect(network.socketFile(path)).toBeUndefined();
    writeFileSync(path, 'precious');
    expect(network.socketFile(path)).toBeUndefined();
    unlinkSync(path);
    await listen({ path });
    const removeFirst = network.socketFile(path);
    const removeAgain = network.socketFile(path);
    removeFirst?.();
    expect(existsSync(path)).toBe(false);
    await listen({ path });
    removeAgain?.();
    expect(existsSync(path)).toBe(true);
  });

  it('does not remove the file of its successor', async () => {
    const old = await listen({ path });
    unlinkSync(path);
    const successor = await listen({ path });
    old.close();
    await connect({ path });
    expect(await accept(successor)).toBeDefined();
    expect(readdirSync(folder)).toEqual(['x.sock']);
  });
});

describe('a connection attempt of the portable network', () => {
  it('is pending first and would block in both directions', async () => {
    const listener = await listen();
    const client = network.connect(listener.local, {});
    expect(client.tryConnect()).toBe(false);
    expect(client.trySend(Buffer.from('x'))).toBe(0);
    expect(client.tryRecv(1)).toBeUndefined();
    await writable(client);
    expect(client.tryConnect()).toBe(true);
  });

  it('fails with ECONNREFUSED, with the properties of an error of Node', async () => {
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

  it('fails with ENOENT if the Unix path does not exist', async () => {
    const attempt = connect({ path: join(tmpdir(), 'no-listener.sock') });
    await expect(attempt).rejects.toMatchObject({ code: 'ENOENT', syscall: 'connect' });
  });

  it('binds to `localAddress` first', async () => {
    const listener = await listen();
    const localAddress: Endpoint = { host: '127.0.0.2', port: 0, family: 4 };
    const client = await connect(listener.local, { localAddress });
    expect(client.local).toMatchObject({ host: '127.0.0.2' });
  });

  it('is ended by close and by reset, which wake its waiter with ERR_CLOSED', async () => {
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
