/** The epoll network by itself: no scheduler, waiters that settle promises. */
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Readiness } from '../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, Network, Transport } from '../world/network.ts';
import { loadAddon } from './addon.ts';
import { epollNetwork } from './epoll.ts';

const ANY_PORT: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };
const { addon } = loadAddon();

let network: Network;
let deliveries = 0;

function makeNetwork(): Network {
  return epollNetwork({
    deliver(grant) {
      deliveries += 1;
      grant();
    },
  });
}

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

async function accept(listener: ListenerTransport): Promise<Transport> {
  for (;;) {
    const transport = listener.tryAccept();
    if (transport !== undefined) return transport;
    await readable(listener);
  }
}

async function connect(to: Endpoint): Promise<Transport> {
  const transport = network.connect(to, {});
  while (!transport.tryConnect()) await writable(transport);
  return transport;
}

async function recv(transport: Transport, max = 65536): Promise<Buffer> {
  for (;;) {
    const data = transport.tryRecv(max);
    if (data !== undefined) return data;
    await readable(transport);
  }
}

async function recvAll(transport: Transport): Promise<string> {
  let text = '';
  for (;;) {
    const data = await recv(transport);
    if (data.length === 0) return text;
    text += data.toString('latin1');
  }
}

async function sendAll(transport: Transport, data: Uint8Array): Promise<void> {
  let sent = 0;
  while (sent < data.length) {
    sent += transport.trySend(data.subarray(sent));
    if (sent < data.length) await writable(transport);
  }
}

interface Pair {
  readonly near: Transport;
  readonly far: Transport;
  readonly listener: ListenerTransport;
}

async function pair(at: Endpoint = ANY_PORT): Promise<Pair> {
  const listener = network.listen(at, {});
  const near = await connect(listener.local);
  return { near, far: await accept(listener), listener };
}

/** Enough turns of the event loop for loopback traffic that is on its way. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resume) => setTimeout(resume, 2));
}

function portOf(endpoint: Endpoint): number {
  return 'port' in endpoint ? endpoint.port : 0;
}

function errorOf(body: () => unknown): { code?: string; message?: string; syscall?: string } {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  return {};
}

describe.runIf(addon !== undefined)('the epoll network', () => {
  beforeEach(() => {
    network = makeNetwork();
    deliveries = 0;
  });

  afterEach(async () => {
    network.close();
    expect(network.counters()).toEqual({ transports: 0, listeners: 0, slabs: 0 });
    await settle();
    expect(addon?.stats()).toEqual({ sockets: 0, handles: 0 });
  });

  describe('listening', () => {
    it('says which port it was given', () => {
      const listener = network.listen(ANY_PORT, {});
      expect(listener.tryListen()).toBe(true);
      expect(listener.local).toMatchObject({ host: '127.0.0.1', family: 4 });
      expect(portOf(listener.local)).toBeGreaterThan(0);
      expect(listener.describe()).toBe(`127.0.0.1:${portOf(listener.local)}`);
    });

    it('refuses a port that is in use, as an error of listen', () => {
      const { local } = network.listen(ANY_PORT, {});
      expect(errorOf(() => network.listen(local, {}))).toMatchObject({
        code: 'EADDRINUSE',
        syscall: 'listen',
        address: '127.0.0.1',
        port: portOf(local),
      });
    });

    it('shares a port where all listeners ask for it', () => {
      const { local } = network.listen(ANY_PORT, { reusePort: true });
      expect(network.listen(local, { reusePort: true }).local).toEqual(local);
    });

    it('serves both families on ::, and only IPv6 when asked to', async () => {
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

    it('refuses what is not an address', () => {
      const wrong: Endpoint = { host: 'localhost', port: 1, family: 4 };
      expect(errorOf(() => network.listen(wrong, {})).code).toBe('EINVAL');
      expect(errorOf(() => network.connect(wrong, {})).code).toBe('EINVAL');
      expect(network.counters().transports).toBe(0);
    });
  });

  describe('accepting', () => {
    it('says undefined when nobody is there, and is told when somebody comes', async () => {
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

    it('takes from the queue no more than the program keeps up with', async () => {
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

    it('keeps canRecv set while accepted connections wait to be handed out', async () => {
      const listener = network.listen(ANY_PORT, {});
      for (let i = 0; i < 3; i += 1) await connect(listener.local);
      for (let i = 0; i < 3; i += 1) {
        expect(i === 0 || listener.canRecv).toBe(true);
        expect(listener.tryAccept()).toBeDefined();
      }
    });

    it('hears of bytes that came before the connection was handed out', async () => {
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

    it('resets at close what nobody has accepted', async () => {
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

    it('wakes its waiter with ERR_CLOSED at close', async () => {
      const listener = network.listen(ANY_PORT, {});
      const waiting = readable(listener);
      listener.close();
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    });
  });

  describe('connecting', () => {
    it('is under way first, then connected', async () => {
      const listener = network.listen(ANY_PORT, {});
      const transport = network.connect(listener.local, {});
      expect(transport.tryRecv(10)).toBe(undefined);
      while (!transport.tryConnect()) await writable(transport);
      expect(transport.tryConnect()).toBe(true);
      expect(transport.remote).toEqual(listener.local);
      expect(portOf(transport.local)).toBeGreaterThan(0);
    });

    it('fails with ECONNREFUSED, in every try', async () => {
      const listener = network.listen(ANY_PORT, {});
      listener.close();
      const transport = network.connect(listener.local, {});
      const attempt = async () => {
        while (!transport.tryConnect()) await writable(transport);
      };
      const port = portOf(listener.local);
      await expect(attempt()).rejects.toMatchObject({
        message: `connect ECONNREFUSED 127.0.0.1:${port}`,
        syscall: 'connect',
        port,
      });
      expect(errorOf(() => transport.tryConnect()).code).toBe('ECONNREFUSED');
      expect(errorOf(() => transport.tryRecv(1)).code).toBe('ECONNREFUSED');
      expect(errorOf(() => transport.trySend(Buffer.from('x'))).code).toBe('ECONNREFUSED');
    });

    it('binds the near end where it was asked to', async () => {
      const listener = network.listen({ host: '0.0.0.0', port: 0, family: 4 }, {});
      const to: Endpoint = { host: '127.0.0.1', port: portOf(listener.local), family: 4 };
      const localAddress: Endpoint = { host: '127.0.0.2', port: 0, family: 4 };
      const transport = network.connect(to, { localAddress });
      while (!transport.tryConnect()) await writable(transport);
      expect(transport.local).toMatchObject({ host: '127.0.0.2' });
      expect((await accept(listener)).remote).toEqual(transport.local);
    });
  });

  describe('receiving', () => {
    it('would block on an idle connection', async () => {
      const { near } = await pair();
      expect(near.tryRecv(100)).toBe(undefined);
      expect(near.tryRecvInto(new Uint8Array(8))).toBe(-1);
      expect(near.canRecv).toBe(false);
    });

    it('gives at most max bytes, and the rest to the next try', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('hello world'));
      await settle();
      expect(String(far.tryRecv(5))).toBe('hello');
      expect(far.canRecv).toBe(true);
      expect(String(far.tryRecv(100))).toBe(' world');
      expect(far.canRecv).toBe(false);
    });

    it('never writes again to bytes that it gave out', async () => {
      const { near, far } = await pair();
      const pieces: Buffer[] = [];
      for (let i = 0; i < 200; i += 1) {
        near.trySend(Buffer.alloc(1000, i));
        pieces.push(await recv(far));
      }
      expect(pieces.every((piece, i) => piece.equals(Buffer.alloc(1000, i)))).toBe(true);
      expect(network.counters().slabs).toBe(1);
    });

    it('receives into the memory of the caller', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('abcdef'));
      await readable(far);
      const into = new Uint8Array(4);
      expect(far.tryRecvInto(into)).toBe(4);
      expect(String(Buffer.from(into))).toBe('abcd');
      expect(far.tryRecvInto(into)).toBe(2);
      near.close();
      await readable(far);
      expect(far.tryRecvInto(into)).toBe(0);
      expect(far.tryRecvInto(into)).toBe(0);
    });

    it('gives the bytes first, then the end of file, again and again', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('last words'));
      near.close();
      await settle();
      let text = '';
      for (let i = 0; i < 10; i += 1) {
        expect(far.canRecv).toBe(true);
        text += String(far.tryRecv(1));
      }
      expect(text).toBe('last words');
      expect(far.tryRecv(100)).toHaveLength(0);
      expect(far.tryRecv(100)).toHaveLength(0);
      expect(far.canRecv).toBe(true);
    });

    it('does not miss an end of file that was told together with the bytes', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('bye'));
      near.shutdown('send');
      await settle();
      expect(String(far.tryRecv(65536))).toBe('bye');
      expect(far.canRecv).toBe(true);
      expect(far.tryRecv(65536)).toHaveLength(0);
    });

    it('refuses empty and detached memory', async () => {
      const { near } = await pair();
      const gone = new Uint8Array(8);
      structuredClone(gone, { transfer: [gone.buffer] });
      expect(() => near.tryRecvInto(new Uint8Array(0))).toThrow(TypeError);
      expect(() => near.tryRecvInto(gone)).toThrow(TypeError);
      expect(() => near.trySend(gone)).toThrow(TypeError);
      expect(() => near.tryRecv(0)).toThrow(TypeError);
    });
  });

  describe('sending', () => {
    it('takes what fits, says 0 when full, and is told when there is room again', async () => {
      const { near, far } = await pair();
      const data = Buffer.alloc(8 << 20, 'x');
      const sent = near.trySend(data);
      expect(sent).toBeGreaterThan(0);
      expect(sent).toBeLessThan(data.length);
      await settle();
      while (near.trySend(data) > 0);
      expect(near.canSend).toBe(false);
      expect(near.trySend(data)).toBe(0);
      while (far.tryRecv(65536) !== undefined);
      await writable(near);
      expect(near.trySend(data)).toBeGreaterThan(0);
    });

    it('carries megabytes unchanged, whatever the pieces', async () => {
      const { near, far } = await pair();
      const data = Buffer.alloc(3_000_001, 'the quick brown fox ');
      const sending = sendAll(near, data).then(() => near.shutdown('send'));
      expect(await recvAll(far)).toBe(data.toString('latin1'));
      await sending;
    });

    it('sends several pieces in order, empty ones among them', async () => {
      const { near, far } = await pair();
      const pieces = ['ab', '', 'c', 'defg'].map((text) => Buffer.from(text));
      expect(near.trySendv(pieces)).toBe(7);
      expect(String(await recv(far))).toBe('abcdefg');
      expect(near.trySendv([Buffer.alloc(0)])).toBe(0);
      expect(near.trySendv([])).toBe(0);
    });

    it('looks at the first 64 pieces only', async () => {
      const { near } = await pair();
      const pieces = Array.from({ length: 100 }, () => Buffer.from('xy'));
      expect(near.trySendv(pieces)).toBe(128);
    });

    it('fails with EPIPE after its own side was shut down, and still receives', async () => {
      const { near, far } = await pair();
      near.shutdown('send');
      expect(await recv(far)).toHaveLength(0);
      far.trySend(Buffer.from('reply'));
      expect(String(await recv(near))).toBe('reply');
      const error = errorOf(() => near.trySend(Buffer.from('x')));
      expect(error).toMatchObject({ code: 'EPIPE', message: 'write EPIPE' });
      expect(errorOf(() => near.trySend(Buffer.from('x')))).toBe(error);
      expect(near.tryRecv(10)).toBe(undefined);
    });
  });

  describe('ending', () => {
    it('lets bytes arrive before the reset that followed them', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('before'));
      await settle();
      near.reset();
      await settle();
      expect(String(far.tryRecv(100))).toBe('before');
      const error = errorOf(() => far.tryRecv(100));
      expect(error).toMatchObject({ code: 'ECONNRESET', message: 'read ECONNRESET' });
      expect(errorOf(() => far.tryRecv(100))).toBe(error);
      expect(errorOf(() => far.trySend(Buffer.from('x'))).code).toBe('EPIPE');
    });

    it('tells the receiving side of a reset that a send has met first', async () => {
      const { near, far } = await pair();
      near.reset();
      await settle();
      expect(errorOf(() => far.trySend(Buffer.from('x'))).code).toBe('ECONNRESET');
      expect(errorOf(() => far.tryRecv(10)).code).toBe('ECONNRESET');
    });

    it('keeps the names of both ends after a reset and after close', async () => {
      const { near, far, listener } = await pair();
      const remote = near.local;
      near.reset();
      await settle();
      expect(far.remote).toEqual(remote);
      far.close();
      expect(far.remote).toEqual(remote);
      expect(far.local).toEqual(listener.local);
      const { near: unasked } = await pair();
      unasked.close();
      expect(portOf(unasked.local)).toBeGreaterThan(0);
    });

    it('gives end of file after shutdown of receiving, and does not stall the peer', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('unread'));
      const waiting = readable(far);
      far.shutdown('recv');
      await waiting;
      expect(far.tryRecv(10)).toHaveLength(0);
      await sendAll(near, Buffer.alloc(16 << 20));
      expect(far.tryRecv(10)).toHaveLength(0);
      far.trySend(Buffer.from('still talking'));
      expect(String(await recv(near))).toBe('still talking');
    });

    it('may be shut down in any state', async () => {
      const { near, far } = await pair();
      far.close();
      await settle();
      near.shutdown('both');
      near.shutdown('both');
      near.close();
      near.shutdown('both');
    });

    it('wakes both waiters with ERR_CLOSED at close, and every later try throws it', async () => {
      const { near } = await pair();
      while (near.trySend(Buffer.alloc(1 << 20)) > 0);
      near.tryRecv(1);
      const waits = Promise.allSettled([readable(near), writable(near)]);
      near.close();
      near.close();
      const closed = { status: 'rejected', reason: { code: 'ERR_CLOSED' } };
      expect(await waits).toMatchObject([closed, closed]);
      for (const attempt of [
        () => near.tryRecv(1),
        () => near.tryRecvInto(Buffer.alloc(1)),
        () => near.trySend(Buffer.from('x')),
        () => near.trySendv([Buffer.from('x')]),
        () => near.tryConnect(),
      ]) {
        expect(errorOf(attempt).code).toBe('ERR_CLOSED');
      }
      expect(near.canRecv && near.canSend).toBe(true);
    });

    it('drops notices that were under way for a closed connection', async () => {
      const { near, far } = await pair();
      await settle();
      near.trySend(Buffer.from('late'));
      far.close();
      const { far: successor } = await pair();
      await settle();
      expect(successor.canRecv).toBe(false);
    });
  });

  it('sets and reports options, which do nothing on a Unix socket', async () => {
    const { near } = await pair();
    expect(near.noDelay).toBe(true);
    near.noDelay = false;
    expect(near.noDelay).toBe(false);
    near.setKeepAlive({ enable: true, idleMs: 15_000 });
    near.setKeepAlive({ enable: false });
  });

  describe('on Unix sockets', () => {
    let folder: string;

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'coronet-'));
    });

    afterEach(() => rmSync(folder, { recursive: true }));

    it('carries bytes, knows the path, and removes the file at close', async () => {
      const path = join(folder, 'a.sock');
      const { near, far, listener } = await pair({ path });
      expect(near.remote).toEqual({ path });
      expect(far.local).toEqual({ path });
      expect(far.describe()).toBe(path);
      near.noDelay = true;
      near.trySend(Buffer.from('hi'));
      expect(String(await recv(far))).toBe('hi');
      far.close();
      expect(await recv(near)).toHaveLength(0);
      expect(existsSync(path)).toBe(true);
      listener.close();
      expect(existsSync(path)).toBe(false);
    });

    it("leaves a successor's file alone", () => {
      const path = join(folder, 'b.sock');
      const first = network.listen({ path }, {});
      renameSync(path, join(folder, 'moved.sock'));
      network.listen({ path }, {});
      first.close();
      expect(existsSync(path)).toBe(true);
    });

    it('says EADDRINUSE where a file is in the way, ECONNREFUSED where nobody listens', async () => {
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

    it('knows abstract names and refuses names that are too long', async () => {
      const path = `\0coronet-test-${process.pid}`;
      const { near, far } = await pair({ path });
      expect(far.describe()).toBe(`@coronet-test-${process.pid}`);
      near.close();
      expect(await recv(far)).toHaveLength(0);
      const long = { path: join(folder, 'x'.repeat(108)) };
      expect(errorOf(() => network.listen(long, {})).code).toBe('ENAMETOOLONG');
    });
  });

  describe('the network itself', () => {
    it('brings many notices in one delivery', async () => {
      const listener = network.listen(ANY_PORT, {});
      const ends: Pair[] = [];
      for (let i = 0; i < 50; i += 1) {
        const near = await connect(listener.local);
        ends.push({ near, far: await accept(listener), listener });
      }
      await settle();
      for (const { near } of ends) near.trySend(Buffer.from('x'));
      deliveries = 0;
      await settle();
      expect(ends.every(({ far }) => far.canRecv)).toBe(true);
      expect(deliveries).toBeLessThan(5);
    });

    it('delivers what is there when it is polled, without the event loop', async () => {
      const { near, far } = await pair();
      await settle();
      far.tryRecv(1);
      near.trySend(Buffer.from('x'));
      deliveries = 0;
      expect(network.poll()).toBe(1);
      expect(far.canRecv).toBe(true);
      expect(deliveries).toBe(0);
    });

    it('lives beside another one', async () => {
      const other = makeNetwork();
      const listener = other.listen(ANY_PORT, {});
      const near = await connect(listener.local);
      const far = await accept(listener);
      near.trySend(Buffer.from('across'));
      expect(String(await recv(far))).toBe('across');
      other.close();
      await expect(recv(near)).resolves.toHaveLength(0);
    });

    it('names what is open, and closes all of it', async () => {
      const { near, far, listener } = await pair();
      const [port, peer] = [portOf(listener.local), portOf(near.local)];
      expect(network.open()).toContain(`listener 127.0.0.1:${port}`);
      expect(network.open()).toContain(`connection 127.0.0.1:${port} to 127.0.0.1:${peer}`);
      expect(network.counters()).toMatchObject({ transports: 2, listeners: 1 });
      const waiting = readable(far);
      network.close();
      network.close();
      await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      expect(network.open()).toEqual([]);
      expect(network.poll()).toBe(0);
      expect(errorOf(() => network.listen(ANY_PORT, {})).code).toBe('ERR_CLOSED');
      expect(errorOf(() => network.connect(ANY_PORT, {})).code).toBe('ERR_CLOSED');
    });

    it('knows the limits of the process', () => {
      const limits = network.limits();
      expect(limits.descriptors).toBeGreaterThan(limits.openDescriptors ?? Infinity);
      expect(limits.openDescriptors).toBeGreaterThan(2);
      expect(limits.backlog).toBeGreaterThan(0);
    });

    it('resolves names, and gives a question up', async () => {
      const ask = (host: string) =>
        new Promise<readonly { host: string }[]>((answer, fail) => {
          network.resolve(host, (error, hosts) => (error ? fail(error) : answer(hosts)));
        });
      expect((await ask('localhost')).length).toBeGreaterThan(0);
      expect(await ask('127.0.0.1')).toEqual([{ host: '127.0.0.1', family: 4 }]);
      let answered = false;
      const giveUp = network.resolve('127.0.0.1', () => {
        answered = true;
      });
      giveUp();
      await settle();
      expect(answered).toBe(false);
    });
  });
});
