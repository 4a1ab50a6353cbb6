/** The calls that a datagram socket of the epoll network makes into the addon. */
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import {
  describeEpoll,
  makeNetwork,
  network,
  settle,
} from '../../../test/support/network/epoll-network.ts';
import type { Endpoint, IncomingDatagram } from '../../world/network.ts';
import type { Addon, AddonConstants } from '../addon.ts';
import { DatagramArena, MAX_BATCH, openDatagram } from './datagram.ts';
import { LoanMemory } from './loan-memory.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { EAGAIN, EPOLLERR, EPOLLIN, EPOLLOUT } from './registry.ts';
import { SendBatch } from './send-batch.ts';
import { Slabs } from './slab.ts';

const AT: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };
const PEER: Endpoint = { host: '127.0.0.1', port: 9, family: 4 };
const HANDLE = 5;
const ECONNREFUSED = -111;

/** A fake addon with one socket. The test sets its queue and its results. */
const constants: Partial<AddonConstants> = {
  RECORD_LENGTH: 0,
  RECORD_TRUNCATED: 1,
  RECORD_FAMILY: 2,
  RECORD_PORT: 3,
  RECORD_HOST: 4,
  RECORD_INTS: 9,
};

function makeSocket(maxLength = 100) {
  const calls: string[] = [];
  const state = { waiting: 0, error: 0, sendResult: 1, next: 0 };
  const addon = {
    constants,
    bindDatagram: () => HANDLE,
    local: () => ({ host: '127.0.0.1', port: 7, family: 4 }),
    close: () => calls.push('close'),
    datagramStat: () => 3,
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
    sendDatagram: () => state.sendResult,
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
    loan: new LoanMemory(),
    batch: new ReceiveBatch(addon as unknown as Addon, slabs, 1),
    sends: new SendBatch(addon as unknown as Addon, 1),
    arena: new DatagramArena(addon as unknown as Addon),
    lingering: new Set<never>(),
    add() {},
    remove() {},
  };
  return { socket: openDatagram(registry, 1, AT, { maxLength }), calls, state };
}

const textOf = (datagram: IncomingDatagram | undefined) => String(datagram?.data);

describe('a datagram socket on epoll', () => {
  it('receives one datagram with one call, and needs none to find the queue empty', () => {
    const { socket, calls, state } = makeSocket();
    state.waiting = 1;
    socket.onEvents(EPOLLIN);
    expect(socket.canRecv).toBe(true);
    const datagram = socket.tryRecvFrom();
    expect(textOf(datagram)).toBe('0');
    expect(datagram?.from).toEqual(PEER);
    expect([socket.canRecv, calls]).toEqual([false, ['recv 2']]);
  });

  it('requests more while batches come back full, up to a limit, and returns one at a time', () => {
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

  it('leaves datagrams that the program does not receive in the queue of the system', () => {
    const { socket, state } = makeSocket();
    state.waiting = 1000;
    socket.onEvents(EPOLLIN);
    for (let i = 0; i < 100; i += 1) socket.tryRecvFrom();
    expect(1000 - state.waiting).toBeLessThanOrEqual(100 + MAX_BATCH);
  });

  it('returns the same object for the same sender', () => {
    const { socket, state } = makeSocket();
    state.waiting = 3;
    socket.onEvents(EPOLLIN);
    const first = socket.tryRecvFrom();
    expect(socket.tryRecvFrom()?.from).toBe(first?.from);
  });

  it('does not lose an event between the datagrams of a batch', () => {
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

  it('throws an error once, then returns the datagrams after it', () => {
    const { socket, state } = makeSocket();
    state.waiting = 1;
    state.error = ECONNREFUSED;
    socket.onEvents(EPOLLERR | EPOLLIN);
    expect(errorOf(() => socket.tryRecvFrom()).code).toBe('ECONNREFUSED');
    expect(socket.canRecv).toBe(true);
    expect(textOf(socket.tryRecvFrom())).toBe('0');
    expect(socket.tryRecvFrom()).toBe(undefined);
  });

  it('watches EPOLLOUT from an EAGAIN to the next event only', () => {
    const { socket, calls, state } = makeSocket();
    const byte = Buffer.from('x');
    expect([socket.canSend, socket.trySendTo(byte, PEER)]).toEqual([true, true]);
    expect(calls).toEqual([]);
    state.sendResult = EAGAIN;
    expect([socket.trySendTo(byte, PEER), socket.trySendTo(byte, PEER)]).toEqual([false, false]);
    expect([socket.canSend, calls]).toEqual([false, ['watch 1']]);
    socket.onEvents(EPOLLOUT);
    expect([socket.canSend, calls]).toEqual([true, ['watch 1', 'watch 0']]);
    socket.onEvents(EPOLLOUT);
    expect(calls).toHaveLength(2);
  });

  it('sets both flags when an error is reported', () => {
    const { socket, state } = makeSocket();
    state.sendResult = EAGAIN;
    socket.trySendTo(Buffer.from('x'), PEER);
    socket.onEvents(EPOLLERR);
    state.sendResult = ECONNREFUSED;
    expect([socket.canSend, socket.canRecv]).toEqual([true, true]);
    const { code, syscall } = errorOf(() => socket.trySendTo(Buffer.from('x'), PEER));
    expect([code, syscall]).toEqual(['ECONNREFUSED', 'send']);
  });

  it('returns the number of dropped datagrams also after it is closed', () => {
    const { socket, calls } = makeSocket();
    socket.close();
    socket.close();
    expect([socket.dropped, calls]).toEqual([3, ['close']]);
    expect(errorOf(() => socket.tryRecvFrom()).code).toBe('ERR_CLOSED');
  });
});

describeEpoll('datagram sockets of the epoll network', () => {
  it('are listed and counted while open, and closed with the network', async () => {
    const socket = network.bindDatagram(AT, {});
    const port = 'port' in socket.local ? socket.local.port : 0;
    expect(network.open()).toEqual([`datagram socket 127.0.0.1:${port}`]);
    expect(network.counters()).toMatchObject({ datagrams: 1, transports: 0, listeners: 0 });
    const waiting = new Promise((resolve, reject) => {
      socket.recvWaiter = { notify: () => resolve(undefined), reject: reject };
    });
    network.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(errorOf(() => network.bindDatagram(AT, {})).code).toBe('ERR_CLOSED');
  });

  it('do not share batches between two networks', async () => {
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
