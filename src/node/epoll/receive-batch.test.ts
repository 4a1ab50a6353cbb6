import { afterEach, describe, expect, it, vi } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import type { Pair } from '../../../test/support/network/epoll-network.ts';
import {
  ANY_PORT,
  accept,
  connect,
  describeEpoll,
  network,
  pair,
  readable,
  recv,
  settle,
} from '../../../test/support/network/epoll-network.ts';
import { loadAddon } from '../addon.ts';
import { ReceiveBatch } from './receive-batch.ts';
import { EPOLLIN } from './registry.ts';
import { SLAB_BYTES, Slabs } from './slab.ts';
import type { EpollTransport } from './transport.ts';

const { addon } = loadAddon();

afterEach(() => {
  vi.restoreAllMocks();
});

/** A pair whose far end has received a small message and so takes part in batches. */
async function talking(): Promise<Pair> {
  const ends = await pair();
  ends.near.trySend(Buffer.from('hello'));
  await recv(ends.far);
  return ends;
}

/** Sends `data` while the far end waits, so that a batch receives it. */
async function bring({ near, far }: Pair, data: string | Buffer): Promise<void> {
  const waiting = readable(far);
  near.trySend(Buffer.from(data));
  await waiting;
}

describeEpoll('a batch of receives', () => {
  it('receives the bytes before the waiter is resumed', async () => {
    const ends = await talking();
    await bring(ends, 'batched');
    const single = vi.spyOn(addon ?? expect.fail(), 'recv');
    expect(String(ends.far.tryRecv(100))).toBe('batched');
    expect(ends.far.canRecv).toBe(false);
    expect(single).not.toHaveBeenCalled();
  });

  it('leaves bytes in the system if no task waits for them', async () => {
    const { near, far } = await talking();
    near.trySend(Buffer.from('unread'));
    await settle();
    expect(far.canRecv).toBe(true);
    const single = vi.spyOn(addon ?? expect.fail(), 'recv');
    expect(String(far.tryRecv(100))).toBe('unread');
    expect(single).toHaveBeenCalledTimes(1);
  });

  it('returns at most max of the received bytes, and the rest in the next attempts', async () => {
    const ends = await talking();
    await bring(ends, 'in four parts');
    const into = new Uint8Array(2);
    expect(String(ends.far.tryRecv(3))).toBe('in ');
    expect(ends.far.tryRecvInto(into)).toBe(2);
    expect(String(Buffer.from(into))).toBe('fo');
    expect(ends.far.canRecv).toBe(true);
    expect(String(ends.far.tryRecv(100))).toBe('ur parts');
    expect(ends.far.canRecv).toBe(false);
    expect(ends.far.tryRecv(100)).toBe(undefined);
  });

  it('copies small parts of received bytes while many slabs are pinned', async () => {
    const ends = await talking();
    const { slabs } = network as unknown as { slabs: Slabs };
    const pinned = Array.from({ length: 300 }, () => {
      slabs.reserve(SLAB_BYTES, SLAB_BYTES);
      return slabs.take(SLAB_BYTES);
    });
    await bring(ends, Buffer.alloc(3000, 'a message '));
    const parts = [
      ends.far.tryRecv(10),
      ends.far.tryRecv(2500),
      ends.far.tryRecv(4096),
    ] as Buffer[];
    const isInSlab = parts.map((part) => part.buffer.byteLength === SLAB_BYTES);
    expect(isInSlab).toEqual([false, true, false]);
    expect(Buffer.concat(parts).equals(Buffer.alloc(3000, 'a message '))).toBe(true);
    expect(pinned).toHaveLength(300);
  });

  it('does not report end of file for bytes whose memory was detached', async () => {
    const far = (await pair()).far as EpollTransport;
    const bytes = Buffer.allocUnsafeSlow(100);
    far.onReceived(bytes, true);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    for (let i = 0; i < 2; i += 1) {
      expect(errorOf(() => far.tryRecv(100))).toMatchObject({ code: 'EFAULT', syscall: 'read' });
    }
    expect(errorOf(() => far.tryRecvInto(new Uint8Array(8))).code).toBe('EFAULT');
  });

  it('throws a TypeError for empty memory also while bytes are queued', async () => {
    const ends = await talking();
    await bring(ends, 'kept');
    expect(() => ends.far.tryRecv(0)).toThrow(TypeError);
    expect(() => ends.far.tryRecvInto(new Uint8Array(0))).toThrow(TypeError);
    expect(String(ends.far.tryRecv(100))).toBe('kept');
  });

  it('returns batched bytes before later ones', async () => {
    const ends = await talking();
    await bring(ends, 'first ');
    ends.near.trySend(Buffer.from('second'));
    await settle();
    expect(String(ends.far.tryRecv(100))).toBe('first ');
    expect(ends.far.canRecv).toBe(true);
    expect(String(ends.far.tryRecv(100))).toBe('second');
  });

  it('keeps the order if a connection has two events', async () => {
    const ends = await talking();
    const waiting = readable(ends.far);
    const far = ends.far as EpollTransport;
    far.onEvents(EPOLLIN);
    const each = vi.spyOn(addon ?? expect.fail(), 'recvEach');
    each.mockImplementationOnce((...[results, , to, memory, offset]) => {
      for (let i = 0; i < to; i += 1) {
        results[2 * i + 1] = 1;
        memory[offset + 8 * i] = 0x61 + i;
      }
      return to;
    });
    ends.near.trySend(Buffer.from('c'));
    await waiting;
    expect(String(far.tryRecv(100))).toBe('ab');
    expect(each.mock.calls[0]?.[2]).toBe(2);
  });

  it('returns batched bytes before an end of file reported with them', async () => {
    const ends = await talking();
    const waiting = readable(ends.far);
    ends.near.trySend(Buffer.from('bye'));
    ends.near.close();
    await waiting;
    await settle();
    expect(String(ends.far.tryRecv(100))).toBe('bye');
    expect(ends.far.canRecv).toBe(true);
    expect(ends.far.tryRecv(100)).toHaveLength(0);
  });

  it('reports end of file, and does not request it again', async () => {
    const { near, far } = await talking();
    const waiting = readable(far);
    near.close();
    await waiting;
    const single = vi.spyOn(addon ?? expect.fail(), 'recv');
    expect(far.tryRecv(100)).toHaveLength(0);
    expect(single).not.toHaveBeenCalled();
    expect(far.tryRecv(100)).toHaveLength(0);
  });

  it('keeps an error that the system reports once', async () => {
    const { near, far } = await talking();
    const waiting = readable(far);
    near.reset();
    await waiting;
    const error = errorOf(() => far.tryRecv(100));
    expect(error).toMatchObject({ code: 'ECONNRESET', message: 'read ECONNRESET' });
    expect(errorOf(() => far.tryRecvInto(new Uint8Array(8)))).toBe(error);
  });

  it('resets a connection that is closed with batched bytes unread', async () => {
    const ends = await talking();
    await bring(ends, 'unread');
    ends.far.close();
    expect(errorOf(() => ends.far.tryRecv(100)).code).toBe('ERR_CLOSED');
    await expect(recv(ends.near)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('discards batched bytes at shutdown("recv")', async () => {
    const ends = await talking();
    await bring(ends, 'unread');
    ends.far.shutdown('recv');
    expect(ends.far.tryRecv(100)).toHaveLength(0);
    ends.far.close();
    expect(await recv(ends.near)).toHaveLength(0);
  });

  it('receives the rest of a message that is larger than the slabs', async () => {
    const ends = await talking();
    const long = Buffer.alloc(3 * SLAB_BYTES + 1, 'the quick brown fox ');
    const sending = readable(ends.far);
    expect(ends.near.trySend(long)).toBe(long.length);
    await sending;
    const parts: Buffer[] = [];
    for (let length = 0; length < long.length; ) {
      const part = await recv(ends.far);
      parts.push(part);
      length += part.length;
    }
    expect(Buffer.concat(parts).equals(long)).toBe(true);
  });

  it('passes each connection its own bytes, over several slabs', async () => {
    const listener = network.listen(ANY_PORT, {});
    const ends: Pair[] = [];
    for (let i = 0; i < 150; i += 1) {
      const near = await connect(listener.local);
      ends.push({ near, far: await accept(listener), listener });
    }
    for (const { near } of ends) near.trySend(Buffer.from('hello'));
    for (const { far } of ends) await recv(far);
    for (let round = 0; round < 3; round += 1) {
      const waits = ends.map(({ far }) => readable(far));
      ends.forEach(({ near }, i) => void near.trySend(Buffer.alloc(1000 + i, i)));
      await Promise.all(waits);
      ends.forEach(({ far }, i) => {
        expect(far.tryRecv(65536)?.equals(Buffer.alloc(1000 + i, i))).toBe(true);
      });
    }
  });
});

describe('a batch of receives with a fake addon', () => {
  /** Receivers that log their calls. */
  function makeBatch(recvEach: (batch: Int32Array, from: number, to: number) => number) {
    const batch = new ReceiveBatch({ recvEach } as never, new Slabs(), 8);
    const log: string[] = [];
    const receiver = (handle: number) => ({
      handle,
      onReceived: (data: Buffer, drained: boolean) => {
        log.push(`${handle} received ${data.length}${drained ? '' : ', and more'}`);
      },
      onNoData: (result: number) => void log.push(`${handle} received none: ${result}`),
      notifyRecv: () => void log.push(`${handle} notified`),
    });
    return { batch, log, receiver };
  }

  /** Returns the handle as the number of received bytes. */
  function handles(batch: Int32Array, from: number, to: number): number {
    for (let i = from; i < to; i += 1) batch[2 * i + 1] = batch[2 * i] as number;
    return to - from;
  }

  it('notifies the receivers after all of them have their bytes', () => {
    const { batch, log, receiver } = makeBatch(handles);
    for (const handle of [10, 20]) batch.add(receiver(handle));
    batch.run();
    expect(log).toEqual(['10 received 10', '20 received 20', '10 notified', '20 notified']);
    batch.run();
    expect(log).toHaveLength(4);
  });

  it('passes on errors, and whether more bytes may follow', () => {
    const { batch, log, receiver } = makeBatch(handles);
    for (const handle of [-11, SLAB_BYTES]) batch.add(receiver(handle));
    batch.run();
    expect(log.slice(0, 2)).toEqual([
      '-11 received none: -11',
      `${SLAB_BYTES} received ${SLAB_BYTES}, and more`,
    ]);
  });

  it('continues with a new slab when one is full', () => {
    const calls: number[][] = [];
    const { batch, log, receiver } = makeBatch((results, from, to) => {
      calls.push([from, to]);
      return handles(results, from, Math.min(from + 2, to));
    });
    for (const handle of [1, 2, 3]) batch.add(receiver(handle));
    batch.run();
    expect(calls).toEqual([
      [0, 3],
      [2, 3],
    ]);
    expect(log.slice(0, 3)).toEqual(['1 received 1', '2 received 2', '3 received 3']);
  });

  it('does not fill more than three slabs, and notifies the other receivers', () => {
    const { batch, log, receiver } = makeBatch((results, from, to) =>
      handles(results, from, Math.min(from + 1, to)),
    );
    for (let i = 0; i < 8; i += 1) batch.add(receiver(SLAB_BYTES - i));
    batch.run();
    expect(log.filter((line) => line.includes('received'))).toHaveLength(3);
    expect(log.filter((line) => line.includes('notified'))).toHaveLength(8);
  });

  it('notifies all receivers if a slab cannot be allocated', () => {
    const { batch, log, receiver } = makeBatch(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    for (const handle of [1, 2]) batch.add(receiver(handle));
    batch.run();
    expect(log).toEqual(['1 notified', '2 notified']);
  });
});
