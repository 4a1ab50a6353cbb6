/** Listeners on the epoll network. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import {
  ANY_PORT,
  accept,
  connect,
  describeEpoll,
  network,
  pair,
  portOf,
  readable,
  recv,
  settle,
} from '../../../test/support/network/epoll-network.ts';
import type { Endpoint, Transport } from '../../world/network.ts';

describeEpoll('an epoll listener', () => {
  describe('listening', () => {
    it('reports the port that the system has chosen', () => {
      const listener = network.listen(ANY_PORT, {});
      expect(listener.tryListen()).toBe(true);
      expect(listener.local).toMatchObject({ host: '127.0.0.1', family: 4 });
      expect(portOf(listener.local)).toBeGreaterThan(0);
      expect(listener.describe()).toBe(`127.0.0.1:${portOf(listener.local)}`);
    });

    it('throws EADDRINUSE as an error of listen', () => {
      const { local } = network.listen(ANY_PORT, {});
      expect(errorOf(() => network.listen(local, {}))).toMatchObject({
        code: 'EADDRINUSE',
        syscall: 'listen',
        address: '127.0.0.1',
        port: portOf(local),
      });
    });

    it('shares a port if all listeners set reusePort', () => {
      const { local } = network.listen(ANY_PORT, { reusePort: true });
      expect(network.listen(local, { reusePort: true }).local).toEqual(local);
    });

    it('accepts both families on ::, and only IPv6 with ipv6Only', async () => {
      const any: Endpoint = { host: '::', port: 0, family: 6 };
      const dual = network.listen(any, {});
      const near = await connect({ host: '127.0.0.1', port: portOf(dual.local), family: 4 });
      const far = await accept(dual);
      expect(far.remote).toMatchObject({ host: '::ffff:127.0.0.1', port: portOf(near.local) });
      expect(far.local).toMatchObject({ host: '::ffff:127.0.0.1', port: portOf(dual.local) });
      const only = network.listen(any, { ipv6Only: true });
      const refused = connect({ host: '127.0.0.1', port: portOf(only.local), family: 4 });
      await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });

    it('throws EINVAL for a host that is not an address', () => {
      const wrong: Endpoint = { host: 'localhost', port: 1, family: 4 };
      expect(errorOf(() => network.listen(wrong, {})).code).toBe('EINVAL');
      expect(errorOf(() => network.connect(wrong, {})).code).toBe('EINVAL');
      expect(network.counters().transports).toBe(0);
    });
  });

  describe('accepting', () => {
    it('accepts no more connections at once than acceptBatch', async () => {
      const listener = network.listen(ANY_PORT, {});
      for (let i = 0; i < 8; i++) await connect(listener.local);
      const open = () => network.counters().transports - 8;
      listener.acceptBatch = 1;
      for (const taken of [1, 2, 3]) {
        expect(listener.tryAccept()).toBeDefined();
        expect(open()).toBe(taken);
      }
      listener.acceptBatch = 64;
      while (listener.tryAccept() !== undefined);
      expect(open()).toBe(8);
    });

    it('returns undefined for an empty queue, and is notified of a connection', async () => {
      const listener = network.listen(ANY_PORT, {});
      expect(listener.tryAccept()).toBe(undefined);
      const near = await connect(listener.local);
      await readable(listener);
      const far = listener.tryAccept() as Transport;
      expect(far.tryConnect()).toBe(true);
      expect(far.remote).toEqual(near.local);
      expect(far.local).toEqual(listener.local);
      expect(listener.tryAccept()).toBe(undefined);
      expect(listener.canRecv).toBe(false);
    });

    it('begins with small batches and doubles them', async () => {
      const listener = network.listen(ANY_PORT, {});
      for (let i = 0; i < 20; i += 1) await connect(listener.local);
      listener.tryAccept();
      expect(network.counters().transports).toBe(21);
      listener.tryAccept();
      expect(network.counters().transports).toBe(23);
      for (let i = 2; i < 20; i += 1) expect(listener.tryAccept()).toBeDefined();
      expect(listener.tryAccept()).toBe(undefined);
      expect(listener.canRecv).toBe(false);
    });

    it('reports the address of each peer of a batch', async () => {
      const dual = network.listen({ host: '::', port: 0, family: 6 }, {});
      const { port } = dual.local as { readonly port: number };
      const hosts = ['127.0.0.1', '127.0.0.2', '::1', '127.0.0.1', '127.0.0.2'];
      const peers = hosts.map((host) => {
        const family = host.includes(':') ? 6 : 4;
        const localAddress: Endpoint = { host, port: 0, family };
        const to: Endpoint = { host: family === 6 ? '::1' : '127.0.0.1', port, family };
        return network.connect(to, { localAddress });
      });
      await settle();
      const remotes = peers.map(() => (dual.tryAccept() as Transport).remote);
      const expected = peers.map(({ local }, index) => {
        const host = hosts[index] === '::1' ? '::1' : `::ffff:${hosts[index]}`;
        return { host, port: portOf(local), family: 6 };
      });
      expect(remotes).toEqual(expected);
    });

    it('keeps canRecv set while accepted connections are queued', async () => {
      const listener = network.listen(ANY_PORT, {});
      for (let i = 0; i < 3; i += 1) await connect(listener.local);
      for (let i = 0; i < 3; i += 1) {
        expect(i === 0 || listener.canRecv).toBe(true);
        expect(listener.tryAccept()).toBeDefined();
      }
    });

    it('records bytes that arrive before tryAccept returns the connection', async () => {
      const listener = network.listen(ANY_PORT, {});
      const clients = [];
      for (let i = 0; i < 3; i += 1) clients.push(await connect(listener.local));
      listener.tryAccept();
      listener.tryAccept(); // a batch of two: one of them waits in the queue
      for (const client of clients) client.trySend(Buffer.from('early'));
      await settle();
      const last = listener.tryAccept() as Transport;
      expect(last.canRecv).toBe(true);
      expect(String(last.tryRecv(100))).toBe('early');
    });

    it('resets queued connections at close', async () => {
      const listener = network.listen(ANY_PORT, {});
      const clients = [];
      for (let i = 0; i < 4; i += 1) clients.push(await connect(listener.local));
      listener.tryAccept();
      listener.tryAccept();
      listener.close();
      listener.close();
      for (const client of clients.slice(2)) {
        await expect(recv(client)).rejects.toMatchObject({ code: 'ECONNRESET' });
      }
      expect(errorOf(() => listener.tryAccept()).code).toBe('ERR_CLOSED');
      expect(portOf(listener.local)).toBeGreaterThan(0);
    });

    it('rejects its waiter with ERR_CLOSED at close', async () => {
      const listener = network.listen(ANY_PORT, {});
      const waiting = readable(listener);
      listener.close();
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    });
  });

  describe('on Unix sockets', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-'));
    });

    afterEach(() => rmSync(folder, { recursive: true }));

    it('transfers bytes, reports the path, and removes the file at close', async () => {
      const path = join(folder, 'a.sock');
      const { near, far, listener } = await pair({ path });
      expect(near.remote).toEqual({ path });
      expect(far.local).toEqual({ path });
      expect(far.describe()).toBe(path);
      near.setOption('noDelay', 1);
      near.trySend(Buffer.from('hi'));
      expect(String(await recv(far))).toBe('hi');
      far.close();
      expect(await recv(near)).toHaveLength(0);
      expect(existsSync(path)).toBe(true);
      listener.close();
      expect(existsSync(path)).toBe(false);
    });

    it('does not remove the file of a successor', () => {
      const path = join(folder, 'b.sock');
      const first = network.listen({ path }, {});
      renameSync(path, join(folder, 'moved.sock'));
      network.listen({ path }, {});
      first.close();
      expect(existsSync(path)).toBe(true);
    });

    it('throws EADDRINUSE for an existing file, ECONNREFUSED if it is not a listener', async () => {
      const path = join(folder, 'c.sock');
      writeFileSync(path, '');
      expect(errorOf(() => network.listen({ path }, {}))).toMatchObject({
        code: 'EADDRINUSE',
        address: path,
      });
      expect(errorOf(() => network.connect({ path }, {})).code).toBe('ECONNREFUSED');
      const nowhere = join(folder, 'd.sock');
      expect(errorOf(() => network.connect({ path: nowhere }, {})).code).toBe('ENOENT');
    });

    it('accepts abstract names and rejects names that are too long', async () => {
      const path = `\0coronet-test-${process.pid}`;
      const { near, far } = await pair({ path });
      expect(far.describe()).toBe(`@coronet-test-${process.pid}`);
      near.close();
      expect(await recv(far)).toHaveLength(0);
      const long = { path: join(folder, 'x'.repeat(108)) };
      expect(errorOf(() => network.listen(long, {})).code).toBe('ENAMETOOLONG');
    });
  });
});
