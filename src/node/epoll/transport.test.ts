/** Connections on the epoll network. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectWithNode } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import {
  ANY_PORT,
  accept,
  describeEpoll,
  network,
  pair,
  portOf,
  readable,
  recv,
  recvAll,
  sendAll,
  settle,
  writable,
} from '../../../test/support/network/epoll-network.ts';
import { enterDebug } from '../../kernel/debug.ts';
import type { Endpoint } from '../../world/network.ts';
import { loadAddon } from '../addon.ts';

const { addon } = loadAddon();

/** A child that sends a descriptor over its channel and exits without reading from it. */
const SENDS_A_LISTENER = `
  const server = require('node:net').createServer();
  server.listen(0, '127.0.0.1', () => {
    process.send('', server);
    require('node:fs').readSync(0, Buffer.alloc(1)); // until its stdin ends
    process.exit();
  });`;

describeEpoll('an epoll connection', () => {
  describe('connecting', () => {
    it('is pending first, then connected', async () => {
      const listener = network.listen(ANY_PORT, {});
      const transport = network.connect(listener.local, {});
      expect(transport.tryRecv(10)).toBe(undefined);
      while (!transport.tryConnect()) await writable(transport);
      expect(transport.tryConnect()).toBe(true);
      expect(transport.remote).toEqual(listener.local);
      expect(portOf(transport.local)).toBeGreaterThan(0);
    });

    it('fails with ECONNREFUSED in every attempt', async () => {
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

    it('binds the requested local address', async () => {
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

    it('returns at most max bytes, and the rest in the next attempt', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('hello world'));
      await settle();
      expect(String(far.tryRecv(5))).toBe('hello');
      expect(far.canRecv).toBe(true);
      expect(String(far.tryRecv(100))).toBe(' world');
      expect(far.canRecv).toBe(false);
    });

    it('never overwrites bytes that it has returned', async () => {
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

    it('returns the bytes first, then end of file in every attempt', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('last bytes'));
      near.close();
      await settle();
      let text = '';
      for (let i = 0; i < 10; i += 1) {
        expect(far.canRecv).toBe(true);
        text += String(far.tryRecv(1));
      }
      expect(text).toBe('last bytes');
      expect(far.tryRecv(100)).toHaveLength(0);
      expect(far.tryRecv(100)).toHaveLength(0);
      expect(far.canRecv).toBe(true);
    });

    it('does not miss an end of file that is reported together with the bytes', async () => {
      const { near, far } = await pair();
      near.trySend(Buffer.from('bye'));
      near.shutdown('send');
      await settle();
      expect(String(far.tryRecv(65536))).toBe('bye');
      expect(far.canRecv).toBe(true);
      expect(far.tryRecv(65536)).toHaveLength(0);
    });

    it('throws a TypeError for empty and detached memory', async () => {
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
    it('sends what fits, returns 0 when full, and is notified when space is free', async () => {
      const { near, far } = await pair();
      const data = Buffer.alloc(8 << 20, 'x');
      const sent = near.trySend(data);
      expect(sent).toBeGreaterThan(0);
      expect(sent).toBeLessThan(data.length);
      do await settle();
      while (near.trySend(data) > 0);
      expect(near.canSend).toBe(false);
      while (far.tryRecv(65536) !== undefined);
      await writable(near);
      expect(near.trySend(data)).toBeGreaterThan(0);
    });

    it('transfers megabytes unchanged', async () => {
      const { near, far } = await pair();
      const data = Buffer.alloc(3_000_001, 'the quick brown fox ');
      const sending = sendAll(near, data).then(() => near.shutdown('send'));
      expect((await recvAll(far)).equals(data)).toBe(true);
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

    it('sends only the first 64 pieces', async () => {
      const { near } = await pair();
      const pieces = Array.from({ length: 100 }, () => Buffer.from('xy'));
      expect(near.trySendv(pieces)).toBe(128);
    });

    it('fails with EPIPE after shutdown("send"), and still receives', async () => {
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
    it('returns bytes before the reset that followed them', async () => {
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

    it('reports a reset to recv even if a send has received it first', async () => {
      const { near, far } = await pair();
      near.reset();
      await settle();
      expect(errorOf(() => far.trySend(Buffer.from('x'))).code).toBe('ECONNRESET');
      expect(errorOf(() => far.tryRecv(10)).code).toBe('ECONNRESET');
    });

    it('keeps both addresses after a reset and after close', async () => {
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

    it('reports end of file after shutdown("recv"), and does not stall the peer', async () => {
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

    it('accepts shutdown in any state', async () => {
      const { near, far } = await pair();
      far.close();
      await settle();
      near.shutdown('both');
      near.shutdown('both');
      expect(near.tryRecv(10)).toHaveLength(0);
      expect(errorOf(() => near.trySend(Buffer.from('x'))).code).toBe('EPIPE');
      near.close();
      near.shutdown('both');
      expect(errorOf(() => near.tryRecv(10)).code).toBe('ERR_CLOSED');
    });

    it('collects stack frames for a reset by a server or in debug mode only', async () => {
      const frames = /\n +at /;
      const stackOfReset = async (end: 'near' | 'far') => {
        const ends = await pair();
        ends[end === 'near' ? 'far' : 'near'].reset();
        await settle();
        return (errorOf(() => ends[end].tryRecv(1)) as { stack?: string }).stack;
      };
      const limit = Error.stackTraceLimit;
      expect(await stackOfReset('near')).toMatch(frames);
      expect(await stackOfReset('far')).toBe('Error: read ECONNRESET');
      const leaveDebug = enterDebug();
      expect(await stackOfReset('far')).toMatch(frames);
      leaveDebug();
      expect(Error.stackTraceLimit).toBe(limit);
    });

    it('calls the system for a shutdown, unless a reset was received', async () => {
      const shutdown = vi.spyOn(addon ?? expect.fail(), 'shutdown');
      for (const end of ['recv', 'send'] as const) {
        const { near, far } = await pair();
        far.reset();
        await settle();
        const attempt = end === 'recv' ? () => near.tryRecv(1) : () => near.trySend(Buffer.of(1));
        expect(errorOf(attempt).code).toBe('ECONNRESET');
        near.shutdown('send');
        expect(shutdown).not.toHaveBeenCalled();
      }
      const { near } = await pair();
      near.shutdown('send');
      expect(shutdown).toHaveBeenCalledTimes(1);
      shutdown.mockRestore();
    });

    it('rejects both waiters with ERR_CLOSED at close, as every later attempt', async () => {
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

    it('drops events that were queued for a connection before it was closed', async () => {
      const { near, far } = await pair();
      await settle();
      near.trySend(Buffer.from('late'));
      far.close();
      const { far: successor } = await pair();
      await settle();
      expect(successor.canRecv).toBe(false);
    });
  });

  it('reads options as the system applies them, in the units of the contract', async () => {
    const { near, far } = await pair();
    expect([near.getOption('noDelay'), far.getOption('noDelay')]).toEqual([1, 1]);
    near.setOption('noDelay', 0);
    near.setOption('keepAlive', 1);
    near.setOption('keepAliveIdleMs', 14_001);
    near.setOption('keepAliveIntervalMs', 1);
    near.setOption('keepAliveCount', 7);
    near.setOption('userTimeoutMs', 1234);
    near.setOption('recvBufferSize', 8192);
    near.setOption('sendBufferSize', 16_384);
    expect(network.capabilities.options.map((option) => near.getOption(option))).toEqual([
      ...[0, 1, 15_000, 1000, 7, 1234, 16_384, 32_768],
    ]);
    expect(far.getOption('keepAlive')).toBe(0);
  });

  it('keeps an error that follows bytes with a descriptor', async () => {
    const path = join(tmpdir(), `coronet-${process.pid}-descriptor.sock`);
    const listener = network.listen({ path }, {});
    const client = connectWithNode({ path }).pause();
    const far = await accept(listener);
    // The channel of a Node child process transfers descriptors over this connection.
    const child = spawn(process.execPath, ['-e', SENDS_A_LISTENER], {
      stdio: ['pipe', 'inherit', 'inherit', client],
      env: { ...process.env, NODE_CHANNEL_FD: '3' },
    });
    client.destroy();
    await readable(far);
    far.trySend(Buffer.from('never read'));
    child.stdin?.end();
    await once(child, 'exit');
    expect(String(await recv(far))).toContain('NODE_HANDLE');
    await expect(recv(far)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('throws the error of the system for an invalid option value', async () => {
    const { near } = await pair();
    expect(errorOf(() => near.setOption('keepAliveCount', 1000))).toMatchObject({
      code: 'EINVAL',
      syscall: 'setsockopt',
    });
  });
});
