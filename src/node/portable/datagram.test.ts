/** A datagram socket of the portable network: its bounds in both directions, errors of sends. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import {
  freshNetwork,
  LOOPBACK,
  network,
  until,
  writable,
} from '../../../test/support/network/portable-network.ts';
import type { DatagramOptions, DatagramTransport, Endpoint } from '../../world/network.ts';

async function bind(options: DatagramOptions = {}, at = LOOPBACK): Promise<DatagramTransport> {
  const socket = network.bindDatagram(at, options);
  while (!socket.tryBind()) await writable(socket);
  return socket;
}

/** Waits for the results of all sends. */
async function sent(socket: DatagramTransport): Promise<void> {
  while (!socket.trySent()) await writable(socket);
}

const bytes = (length: number) => Buffer.alloc(length, 'd');

describe('a datagram socket of the portable network', () => {
  freshNetwork();

  it('is bound when bindDatagram returns', () => {
    const socket = network.bindDatagram(LOOPBACK, {});
    expect(socket.tryBind()).toBe(true);
    expect(socket.local).toMatchObject({ host: '127.0.0.1', family: 4 });
    expect(socket.canSend).toBe(true);
  });

  it('queues a bounded number of datagrams and counts the dropped ones', async () => {
    const far = await bind();
    const near = await bind();
    const arrived = () => far.dropped ?? 0;
    for (let i = 0; i < 1400; i += 1) {
      near.trySendTo(Buffer.from(`${i}`), far.local);
      await sent(near);
      if (i % 50 === 0) await new Promise(setImmediate);
    }
    await until(() => arrived() > 0);
    let received = 0;
    for (let next = far.tryRecvFrom(); next !== undefined; next = far.tryRecvFrom()) {
      expect(String(next.data)).toBe(`${received}`);
      received += 1;
    }
    expect(received).toBeGreaterThan(100);
    expect(received).toBeLessThanOrEqual(1024);
  });

  it('queues a bounded number of bytes', async () => {
    const far = await bind();
    const near = await bind();
    for (let i = 0; i < 80; i += 1) {
      near.trySendTo(bytes(8000), far.local);
      await sent(near);
      await new Promise(setImmediate);
    }
    await until(() => (far.dropped ?? 0) > 0);
    let held = 0;
    for (let next = far.tryRecvFrom(); next !== undefined; next = far.tryRecvFrom()) {
      held += next.data.length;
    }
    expect(held).toBeGreaterThan(100_000);
    expect(held).toBeLessThanOrEqual(262_144);
    near.trySendTo(bytes(1), far.local);
    await until(() => far.canRecv);
    expect(far.tryRecvFrom()?.data).toHaveLength(1);
  });

  it('takes a bounded amount at a time, and more after node:dgram has sent it', async () => {
    const far = await bind();
    const near = await bind();
    let taken = 0;
    while (near.trySendTo(bytes(8000), far.local)) taken += 1;
    expect([taken, near.canSend, near.trySent()]).toEqual([7, false, false]);
    await sent(near);
    expect(near.trySendTo(bytes(8000), far.local)).toBe(true);
    let empty = 0;
    while (near.trySendTo(bytes(0), far.local)) empty += 1;
    expect(empty).toBeLessThan(129);
  });

  it.runIf(process.platform === 'linux')('takes a single datagram of any length', async () => {
    const far = await bind();
    const near = await bind();
    expect(near.trySendTo(bytes(65_507), far.local)).toBe(true);
    await sent(near);
    await until(() => far.canRecv);
    expect(far.tryRecvFrom()?.data).toHaveLength(65_507);
  });

  it('throws the error of a send from `trySent`, once', async () => {
    const far = await bind();
    const near = await bind();
    expect(near.trySendTo(bytes(65_508), far.local)).toBe(true);
    await expect(sent(near)).rejects.toMatchObject({ code: 'EMSGSIZE', syscall: 'send' });
    expect(near.trySent()).toBe(true);
  });

  it('throws the error of a send from the next send, which then sends nothing', async () => {
    const far = await bind();
    const near = await bind();
    near.trySendTo(bytes(65_508), far.local);
    near.canSend = false;
    await new Promise(setImmediate);
    expect(errorOf(() => near.trySendTo(bytes(1), far.local)).code).toBe('EMSGSIZE');
    expect(near.trySendTo(bytes(2), far.local)).toBe(true);
    await until(() => far.canRecv);
    expect(far.tryRecvFrom()?.data).toHaveLength(2);
    expect(far.tryRecvFrom()).toBe(undefined);
  });

  it('does not keep the rest of a truncated datagram in memory', async () => {
    const far = await bind({ maxLength: 10 });
    const near = await bind();
    near.trySendTo(bytes(9000), far.local);
    await until(() => far.canRecv);
    const { data, truncated } = far.tryRecvFrom() ?? {};
    expect([data?.length, truncated]).toEqual([10, true]);
    expect(data?.buffer.byteLength).not.toBe(9000);
  });

  it('fails with EADDRINUSE every time if the port is in use, until it is closed', async () => {
    const one = await bind();
    const two = network.bindDatagram(one.local, {});
    for (let i = 0; i < 2; i += 1) {
      expect(errorOf(() => two.tryBind())).toMatchObject({ code: 'EADDRINUSE', syscall: 'bind' });
    }
    two.close();
    expect(errorOf(() => two.tryBind()).code).toBe('ERR_CLOSED');
    expect(network.counters().datagrams).toBe(1);
  });

  it('rejects a path and an address of another family with EAFNOSUPPORT', async () => {
    expect(errorOf(() => network.bindDatagram({ path: '/x' }, {})).code).toBe('EAFNOSUPPORT');
    const socket = await bind();
    const six: Endpoint = { host: '::1', port: 9, family: 6 };
    expect(errorOf(() => socket.trySendTo(bytes(1), six)).code).toBe('EAFNOSUPPORT');
    expect(errorOf(() => socket.connect(six)).code).toBe('EAFNOSUPPORT');
    expect(socket.trySent()).toBe(true);
  });

  it('is connected when connect returns', async () => {
    const peer = createSocket('udp4');
    peer.bind(0, '127.0.0.1');
    await once(peer, 'listening');
    const socket = await bind();
    socket.connect({ host: '127.0.0.1', port: peer.address().port, family: 4 });
    expect(socket.tryConnected()).toBe(true);
    expect(socket.remote).toMatchObject({ port: peer.address().port });
    socket.trySendTo(bytes(3), undefined);
    const [message] = (await once(peer, 'message')) as [Buffer];
    expect(message).toHaveLength(3);
    peer.close();
  });

  it('ignores results of node:dgram after close', async () => {
    const far = await bind();
    const near = await bind();
    near.trySendTo(bytes(65_508), far.local);
    near.close();
    near.close();
    await new Promise(setImmediate);
    expect(errorOf(() => near.trySent()).code).toBe('ERR_CLOSED');
    expect(near.canSend).toBe(true);
  });

  it('is listed by `open` of its network', async () => {
    const socket = await bind();
    const port = 'port' in socket.local ? socket.local.port : 0;
    expect(network.open()).toEqual([`datagram socket 127.0.0.1:${port}`]);
    network.close();
    expect(errorOf(() => network.bindDatagram(LOOPBACK, {})).code).toBe('ERR_CLOSED');
  });
});
