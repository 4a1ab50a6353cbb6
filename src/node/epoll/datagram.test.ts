/** How a datagram socket of the epoll network uses the addon: what it asks, and how often. */
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import {
  describeEpoll,
  makeNetwork,
  network,
  settle,
} from '../../../test/support/network/epoll-network.ts';
import type { Endpoint, IncomingDatagram } from '../../world/network.ts';
import type { Addon } from '../addon.ts';
import { DatagramArena, MAX_BATCH, openDatagram } from './datagram.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { EAGAIN, EPOLLERR, EPOLLIN, EPOLLOUT } from './registry.ts';
import { Slabs } from './slab.ts';

const AT: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };
const PEER: Endpoint = { host: '127.0.0.1', port: 9, family: 4 };
const HANDLE = 5;
const ECONNREFUSED = -111;

/** An addon with one socket, whose queue and answers the test decides. */
function makeSocket(maxLength = 100) {
  const calls: string[] = [];
  const state = { waiting: 0, error: 0, sendAnswer: 1, next: 0 };
  const addon = {
    bindDatagram: () => HANDLE,
    local: () => ({ host: '127.0.0.1', port: 7, family: 4 }),
    close: () => calls.push('close'),
    datagramFigure: () => 3,
    recvDatagrams(...args: Parameters<Addon['recvDatagrams']>) {
      const [, memory, stride, records, most] = args;
      calls.push(`recv ${most}`);
      if (state.error !== 0) return takeError();
      const count = Math.min(state.waiting, most);
      for (let i = 0; i < count; i += 1) {
        const length = (memory as Buffer).write(`${state.next++}`, i * stride);
        records.set([length, 0, 4, 9, 0x0100007f, 0, 0, 0, 0], i * 9);
      }
      state.waiting -= count;
      return count === 0 ? EAGAIN : count;
    },
    sendDatagram: () => state.sendAnswer,
    watchSend: (_: number, on: number) => calls.push(`watch ${on}`),
  };
  function takeError(): number {
    const { error } = state;
    state.error = 0;
    return error;
  }
  const slabs = new Slabs();
  const registry = {
    addon: addon as unknown as Addon,
    slabs,
    batch: new ReceiveBatch(addon as unknown as Addon, slabs, 1),
    arena: new DatagramArena(addon as unknown as Addon),
    add() {},
    remove() {},
  };
  return { socket: openDatagram(registry, 1, AT, { maxLength }), calls, state };
}

const textOf = (datagram: IncomingDatagram | undefined) => String(datagram?.data);

describe('a datagram socket on epoll', () => {
  it('needs one call for one datagram, and none to learn that there is no other', () => {
    const { socket, calls, state } = makeSocket();
    state.waiting = 1;
    socket.onEvents(EPOLLIN);
    expect(socket.canRecv).toBe(true);
    const datagram = socket.tryRecvFrom();
    expect(textOf(datagram)).toBe('0');
    expect(datagram?.from).toEqual(PEER);
    expect([socket.canRecv, calls]).toEqual([false, ['recv 2']]);
  });

  it('asks for more while batches come back full, within bounds, and hands out one by one', () => {
    const { socket, calls, state } = makeSocket();
    state.waiting = 40;
    socket.onEvents(EPOLLIN);
    const received: string[] = [];
    while (socket.canRecv) received.push(textOf(socket.tryRecvFrom()));
    expect(received).toEqual(Array.from({ length: 40 }, (_, i) => `${i}`));
    expect(calls).toEqual(['recv 2', 'recv 4', 'recv 8', `recv ${MAX_BATCH}`, 'recv 16']);
    state.waiting = 1;
    socket.onEvents(EPOLLIN);
    socket.tryRecvFrom();
    expect(calls.at(-1)).toBe('recv 2');
  });

  it('leaves what nobody asks for in the queue of the system', () => {
    const { socket, state } = makeSocket();
    state.waiting = 1000;
    socket.onEvents(EPOLLIN);
    for (let i = 0; i < 100; i += 1) socket.tryRecvFrom();
    expect(1000 - state.waiting).toBeLessThanOrEqual(100 + MAX_BATCH);
  });

  it('gives the same sender as the same object while it stays the same', () => {
    const { socket, state } = makeSocket();
    state.waiting = 3;
    socket.onEvents(EPOLLIN);
    const first = socket.tryRecvFrom();
    expect(socket.tryRecvFrom()?.from).toBe(first?.from);
  });

  it('an edge that comes between the datagrams of a batch is not lost', () => {
    const { socket, calls, state } = makeSocket();
    state.waiting = 1;
    socket.onEvents(EPOLLIN);
    socket.tryRecvFrom();
    state.waiting = 1;
    socket.onEvents(EPOLLIN);
    expect(socket.canRecv).toBe(true);
    expect(textOf(socket.tryRecvFrom())).toBe('1');
    expect(calls).toHaveLength(2);
  });

  it('throws an error once; what stands behind it comes next', () => {
    const { socket, state } = makeSocket();
    state.waiting = 1;
    state.error = ECONNREFUSED;
    socket.onEvents(EPOLLERR | EPOLLIN);
    expect(errorOf(() => socket.tryRecvFrom()).code).toBe('ECONNREFUSED');
    expect(socket.canRecv).toBe(true);
    expect(textOf(socket.tryRecvFrom())).toBe('0');
    expect(socket.tryRecvFrom()).toBe(undefined);
  });

  it('watches for room from EAGAIN to the edge, and no longer', () => {
    const { socket, calls, state } = makeSocket();
    const byte = Buffer.from('x');
    expect([socket.canSend, socket.trySendTo(byte, PEER)]).toEqual([true, true]);
    expect(calls).toEqual([]);
    state.sendAnswer = EAGAIN;
    expect([socket.trySendTo(byte, PEER), socket.trySendTo(byte, PEER)]).toEqual([false, false]);
    expect([socket.canSend, calls]).toEqual([false, ['watch 1']]);
    socket.onEvents(EPOLLOUT);
    expect([socket.canSend, calls]).toEqual([true, ['watch 1', 'watch 0']]);
    socket.onEvents(EPOLLOUT);
    expect(calls).toHaveLength(2);
  });

  it('an error wakes a sender, too', () => {
    const { socket, state } = makeSocket();
    state.sendAnswer = EAGAIN;
    socket.trySendTo(Buffer.from('x'), PEER);
    socket.onEvents(EPOLLERR);
    state.sendAnswer = ECONNREFUSED;
    expect([socket.canSend, socket.canRecv]).toEqual([true, true]);
    const { code, syscall } = errorOf(() => socket.trySendTo(Buffer.from('x'), PEER));
    expect([code, syscall]).toEqual(['ECONNREFUSED', 'send']);
  });

  it('knows what was dropped also after it was closed', () => {
    const { socket, calls } = makeSocket();
    socket.close();
    socket.close();
    expect([socket.dropped, calls]).toEqual([3, ['close']]);
    expect(errorOf(() => socket.tryRecvFrom()).code).toBe('ERR_CLOSED');
  });
});

describeEpoll('datagram sockets of the epoll network', () => {
  it('are named among what is open, counted and closed with the network', async () => {
    const socket = network.bindDatagram(AT, {});
    const port = 'port' in socket.local ? socket.local.port : 0;
    expect(network.open()).toEqual([`datagram socket 127.0.0.1:${port}`]);
    expect(network.counters()).toMatchObject({ datagrams: 1, transports: 0, listeners: 0 });
    const waiting = new Promise((grant, refuse) => {
      socket.recvWaiter = { notify: () => grant(undefined), reject: refuse };
    });
    network.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(errorOf(() => network.bindDatagram(AT, {})).code).toBe('ERR_CLOSED');
  });

  it('of two networks do not mix their batches', async () => {
    const other = makeNetwork();
    const [near, far] = [network.bindDatagram(AT, {}), other.bindDatagram(AT, {})];
    for (let i = 0; i < 6; i += 1) {
      near.trySendTo(Buffer.from(`to far ${i}`), far.local);
      far.trySendTo(Buffer.from(`to near ${i}`), near.local);
    }
    await settle();
    for (let i = 0; i < 6; i += 1) {
      expect(textOf(far.tryRecvFrom())).toBe(`to far ${i}`);
      expect(textOf(near.tryRecvFrom())).toBe(`to near ${i}`);
    }
    other.close();
  });
});
