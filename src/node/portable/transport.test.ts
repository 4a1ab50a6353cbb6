import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { pattern } from '../../../test/support/data.ts';
import { errorOf } from '../../../test/support/errors.ts';
import {
  accept,
  connect,
  fill,
  freshNetwork,
  listen,
  network,
  pair,
  portOf,
  rawServer,
  readable,
  recv,
  recvAll,
  sendAll,
  until,
  withRawPeer,
  writable,
} from '../../../test/support/network/portable-network.ts';
import { enterDebug } from '../../kernel/debug.ts';
import type { Transport } from '../../world/network.ts';
import { READ_AHEAD } from '../stream/receive-queue.ts';
import { ReceivedMemory } from '../stream/young-garbage.ts';
import { WRITE_AHEAD } from './transport.ts';

freshNetwork();

describe('receiving on a connection of node:net', () => {
  it('would block without data, and wakes a waiter that has made no attempt', async () => {
    const { near: client, far: server } = await pair();
    const waiting = readable(server);
    await sendAll(client, Buffer.from('hello'));
    await waiting;
    expect(String(server.tryRecv(100))).toBe('hello');
    expect(server.tryRecv(100)).toBeUndefined();
    expect(server.canRecv).toBe(false);
  });

  it('returns at most max bytes and keeps the rest', async () => {
    const { near: client, far: server } = await pair();
    await sendAll(client, Buffer.from('abcdefgh'));
    expect(String(await recv(server, 3))).toBe('abc');
    const into = new Uint8Array(4);
    expect(server.tryRecvInto(into)).toBe(4);
    expect(String(Buffer.from(into))).toBe('defg');
    expect(server.canRecv).toBe(true);
    expect(String(server.tryRecv(3))).toBe('h');
    expect(server.tryRecvInto(into)).toBe(-1);
  });

  it('counts the memory of received chunks, so that young garbage is collected', async () => {
    const add = vi.spyOn(ReceivedMemory.prototype, 'add');
    const { near: client, far: server } = await pair();
    await sendAll(client, Buffer.from('abcdefgh'));
    await recv(server, 100);
    expect(add.mock.calls).toEqual([[8]]);
    add.mockRestore();
  });

  it('returns queued bytes, then end of file every time', async () => {
    const { near: client, far: server } = await pair();
    await sendAll(client, Buffer.from('last bytes'));
    client.shutdown('send');
    await delay(20);
    expect(String(server.tryRecv(4))).toBe('last');
    expect(String(server.tryRecv(100))).toBe(' bytes');
    expect(server.canRecv).toBe(true);
    expect(server.tryRecv(100)).toHaveLength(0);
    expect(server.tryRecvInto(new Uint8Array(1))).toBe(0);
    expect(server.tryRecv(100)).toHaveLength(0);
  });

  it('returns queued bytes, then throws ECONNRESET every time', async () => {
    const [server, peer] = await withRawPeer();
    peer.write('last bytes');
    await until(() => server.canRecv);
    peer.resetAndDestroy();
    await until(() => peer.destroyed);
    await delay(20);
    expect(String(server.tryRecv(100))).toBe('last bytes');
    const reset = expect.objectContaining({ code: 'ECONNRESET', syscall: 'read' });
    expect(() => server.tryRecv(100)).toThrow(reset);
    expect(() => server.tryRecvInto(new Uint8Array(1))).toThrow(reset);
    expect(() => server.trySend(Buffer.from('x'))).toThrow(
      expect.objectContaining({ code: 'EPIPE', syscall: 'write' }),
    );
  });

  it('collects stack frames for a reset by a server or in debug mode only', async () => {
    const frames = /\n +at /;
    const stackOfReset = async (end: 'near' | 'far'): Promise<string | undefined> => {
      const ends = await pair();
      const woken = readable(ends[end]);
      ends[end === 'near' ? 'far' : 'near'].reset();
      await woken;
      const first = errorOf(() => ends[end].tryRecv(1));
      expect(errorOf(() => ends[end].tryRecv(1))).toBe(first);
      return (first as { stack?: string }).stack;
    };
    expect(await stackOfReset('near')).toMatch(frames);
    expect(await stackOfReset('far')).toBe('Error: read ECONNRESET');
    const leaveDebug = enterDebug();
    expect(await stackOfReset('far')).toMatch(frames);
    leaveDebug();
  });

  it('loses no byte received before a reset when the reader is slow', async () => {
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

  it('keeps the bytes received before a reset that a blocked send detects', async () => {
    const [server, peer] = await withRawPeer();
    peer.pause();
    peer.write(pattern(300_000));
    await fill(server);
    const waiting = writable(server);
    peer.resetAndDestroy();
    await waiting;
    const chunks: Buffer[] = [];
    const failure = (async () => {
      for (;;) chunks.push(await recv(server));
    })();
    await expect(failure).rejects.toMatchObject({ code: 'ECONNRESET', syscall: 'read' });
    const received = Buffer.concat(chunks);
    expect(received.length).toBeGreaterThan(READ_AHEAD);
    expect(received.equals(pattern(300_000).subarray(0, received.length))).toBe(true);
  });

  it('reads ahead by a bounded number of bytes when the program takes none', async () => {
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

  it('wakes a waiting receiver when the peer resets, and throws ECONNRESET', async () => {
    const [server, peer] = await withRawPeer();
    const waiting = readable(server);
    peer.resetAndDestroy();
    await waiting;
    expect(() => server.tryRecv(1)).toThrow(expect.objectContaining({ code: 'ECONNRESET' }));
  });
});

describe('sending on a connection of node:net', () => {
  it('copies sent bytes, so that the caller may change its memory', async () => {
    const { near: client, far: server } = await pair();
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

  it('copies sent bytes that the full kernel buffer does not take at once', async () => {
    const { near: client, far: server } = await pair();
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

  it('would block when the peer does not read, and wakes when the buffer has space', async () => {
    const { near: client, far: server } = await pair();
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

  it('transfers a megabyte to a slow reader', async () => {
    const { near: client, far: server } = await pair();
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

  it('takes at most 64 pieces in order, and as many bytes as fit', async () => {
    const { near: client, far: server } = await pair();
    const pieces = ['a', '', 'bc', 'def'].map((text) => Buffer.from(text));
    expect(client.trySendv(pieces)).toBe(6);
    expect(String(await recv(server))).toBe('abcdef');
    expect(client.trySendv(Array.from({ length: 100 }, () => Buffer.from('x')))).toBe(64);
    expect(client.trySendv([Buffer.alloc(60_000), Buffer.alloc(60_000)])).toBe(WRITE_AHEAD);
  });

  it('fails with EPIPE after shutdown, and the peer receives end of file', async () => {
    const { near: client, far: server } = await pair();
    await sendAll(client, Buffer.from('bye'));
    client.shutdown('send');
    const pipe = expect.objectContaining({ code: 'EPIPE', syscall: 'write' });
    expect(() => client.trySend(Buffer.from('x'))).toThrow(pipe);
    expect(() => client.trySendv([Buffer.from('x')])).toThrow(pipe);
    expect(String(await recvAll(server))).toBe('bye');
    await sendAll(server, Buffer.from('still here'));
    expect(String(await recv(client))).toBe('still here');
  });

  it('fails with EPIPE after a reset, and receives still return end of file', async () => {
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

  it('wakes a waiting sender when the peer resets, and throws ECONNRESET', async () => {
    const [server, peer] = await withRawPeer();
    peer.pause();
    await fill(server);
    const waiting = writable(server);
    peer.resetAndDestroy();
    await waiting;
    expect(() => server.trySend(Buffer.from('x'))).toThrow(
      expect.objectContaining({ code: 'ECONNRESET' }),
    );
  });
});

describe('the end of a connection of node:net', () => {
  it('shutdown of the receive direction is end of file and discards later input', async () => {
    const { near: client, far: server } = await pair();
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

  it('close delivers all sent bytes although the kernel buffer was full', async () => {
    const { near: client, far: server } = await pair();
    const total = await fill(client);
    client.close();
    expect(await recvAll(server)).toHaveLength(total);
  });

  it('close throws ERR_CLOSED into both waiters, and every later attempt throws it', async () => {
    const { near: client } = await pair();
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

  it('the addresses are kept after close', async () => {
    const { near: client, far: server } = await pair();
    const { local, remote } = server;
    client.reset();
    await readable(server);
    server.close();
    await delay(10);
    expect([server.local, server.remote]).toEqual([local, remote]);
    expect(server.describe()).toBe(`127.0.0.1:${portOf(remote)}`);
  });

  it('reset reaches the peer, also after a shutdown and with unsent bytes', async () => {
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
      // A peer that has received end of file detects the reset when it writes.
      await until(() => {
        if (!peer.destroyed) peer.write('x');
        return failure !== undefined;
      });
      expect((failure as NodeJS.ErrnoException).code).toMatch(/^(ECONNRESET|EPIPE)$/);
    }
  });

  it('a closed connection whose peer reads nothing is destroyed after the linger period', {
    timeout: 10_000,
  }, async () => {
    const [at, sockets] = await rawServer();
    const client = await connect(at);
    await fill(client);
    client.close();
    await until(() => sockets.length === 1);
    // The peer detects the close by the reset that answers its own bytes.
    await until(() => {
      if (!sockets[0]?.destroyed) sockets[0]?.write('x');
      return sockets[0]?.destroyed === true;
    });
  });

  it('two thousand closed connections leave no transport behind', async () => {
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
    expect(network.counters()).toEqual({ transports: 0, listeners: 1, datagrams: 0, slabs: 0 });
  });
});
