/** Receiving for many connections at once. */
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

/** A pair whose far end has received a small message, and so takes part in batches. */
async function talking(): Promise<Pair> {
  const ends = await pair();
  ends.near.trySend(Buffer.from('hello'));
  await recv(ends.far);
  return ends;
}

/** Sends, and has it received for a waiter. */
async function bring({ near, far }: Pair, data: string | Buffer): Promise<void> {
  const waiting = readable(far);
  near.trySend(Buffer.from(data));
  await waiting;
}

describeEpoll('a batch of receives', () => {
  it('has the bytes before the waiter is resumed', async () => {
    const ends = await talking();
    await bring(ends, 'batched');
    const single = vi.spyOn(addon ?? expect.fail(), 'recv');
    expect(String(ends.far.tryRecv(100))).toBe('batched');
    expect(ends.far.canRecv).toBe(false);
    expect(single).not.toHaveBeenCalled();
  });

  it('leaves bytes in the system for which nobody waits', async () => {
    const { near, far } = await talking();
    near.trySend(Buffer.from('nobody'));
    await settle();
    expect(far.canRecv).toBe(true);
    const single = vi.spyOn(addon ?? expect.fail(), 'recv');
    expect(String(far.tryRecv(100))).toBe('nobody');
    expect(single).toHaveBeenCalledTimes(1);
  });

  it('gives at most max bytes of what has come, and the rest to the next tries', async () => {
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

  it('pins no slab with a part of what has come while many slabs are pinned', async () => {
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

  it('does not take bytes whose memory was detached for the end of file', async () => {
    const far = (await pair()).far as EpollTransport;
    const bytes = Buffer.allocUnsafeSlow(100);
    far.onReceived(bytes, true);
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    for (let i = 0; i < 2; i += 1) {
      expect(errorOf(() => far.tryRecv(100))).toMatchObject({ code: 'EFAULT', syscall: 'read' });
    }
    expect(errorOf(() => far.tryRecvInto(new Uint8Array(8))).code).toBe('EFAULT');
  });

  it('refuses a receive without room also while bytes are there', async () => {
    const ends = await talking();
    await bring(ends, 'kept');
    expect(() => ends.far.tryRecv(0)).toThrow(TypeError);
    expect(() => ends.far.tryRecvInto(new Uint8Array(0))).toThrow(TypeError);
    expect(String(ends.far.tryRecv(100))).toBe('kept');
  });

  it('comes before what arrives after it', async () => {
    const ends = await talking();
    await bring(ends, 'first ');
    ends.near.trySend(Buffer.from('second'));
    await settle();
    expect(String(ends.far.tryRecv(100))).toBe('first ');
    expect(ends.far.canRecv).toBe(true);
    expect(String(ends.far.tryRecv(100))).toBe('second');
  });

  it('keeps the order where a connection was announced twice', async () => {
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

  it('comes before the end of file, also one that was told together with it', async () => {
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

  it('finds the end of file', async () => {
    const { near, far } = await talking();
    const waiting = readable(far);
    near.close();
    await waiting;
    expect(far.tryRecv(100)).toHaveLength(0);
    expect(far.tryRecv(100)).toHaveLength(0);
  });

  it('keeps an error that the system tells once', async () => {
    const { near, far } = await talking();
    const waiting = readable(far);
    near.reset();
    await waiting;
    const error = errorOf(() => far.tryRecv(100));
    expect(error).toMatchObject({ code: 'ECONNRESET', message: 'read ECONNRESET' });
    expect(errorOf(() => far.tryRecvInto(new Uint8Array(8)))).toBe(error);
  });

  it('resets the connection that is closed before its bytes were taken', async () => {
    const ends = await talking();
    await bring(ends, 'unread');
    ends.far.close();
    expect(errorOf(() => ends.far.tryRecv(100)).code).toBe('ERR_CLOSED');
    await expect(recv(ends.near)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('drops the bytes at shutdown of receiving', async () => {
    const ends = await talking();
    await bring(ends, 'unread');
    ends.far.shutdown('recv');
    expect(ends.far.tryRecv(100)).toHaveLength(0);
    ends.far.close();
    expect(await recv(ends.near)).toHaveLength(0);
  });

  it('brings the end of a message that did not fit', async () => {
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

  it('gives each of many connections its own bytes, over several slabs', async () => {
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

describe('a batch of receives without a system', () => {
  /** Receivers that write down what happens; each receive gives `length` bytes. */
  function makeBatch(recvEach: (batch: Int32Array, from: number, to: number) => number) {
    const batch = new ReceiveBatch({ recvEach } as never, new Slabs(), 8);
    const log: string[] = [];
    const receiver = (handle: number) => ({
      handle,
      onReceived: (data: Buffer, drained: boolean) => {
        log.push(`${handle} has ${data.length}${drained ? '' : ', and more'}`);
      },
      onNoData: (result: number) => void log.push(`${handle} has none: ${result}`),
      notifyRecv: () => void log.push(`${handle} granted`),
    });
    return { batch, log, receiver };
  }

  /** Answers with the handle as the number of bytes, until the memory is used up. */
  function handles(batch: Int32Array, from: number, to: number): number {
    for (let i = from; i < to; i += 1) batch[2 * i + 1] = batch[2 * i] as number;
    return to - from;
  }

  it('grants nobody before everybody has what was received', () => {
    const { batch, log, receiver } = makeBatch(handles);
    for (const handle of [10, 20]) batch.add(receiver(handle));
    batch.run();
    expect(log).toEqual(['10 has 10', '20 has 20', '10 granted', '20 granted']);
    batch.run();
    expect(log).toHaveLength(4);
  });

  it('tells what has none why, and what has filled its memory that there may be more', () => {
    const { batch, log, receiver } = makeBatch(handles);
    for (const handle of [-11, SLAB_BYTES]) batch.add(receiver(handle));
    batch.run();
    expect(log.slice(0, 2)).toEqual(['-11 has none: -11', '65536 has 65536, and more']);
  });

  it('goes on with a new slab where the one before was used up', () => {
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
    expect(log.slice(0, 3)).toEqual(['1 has 1', '2 has 2', '3 has 3']);
  });

  it('leaves it to the receivers to receive what would take more than a few slabs', () => {
    const { batch, log, receiver } = makeBatch((results, from, to) =>
      handles(results, from, Math.min(from + 1, to)),
    );
    for (let i = 0; i < 8; i += 1) batch.add(receiver(SLAB_BYTES - i));
    batch.run();
    expect(log.filter((line) => line.includes('has'))).toHaveLength(3);
    expect(log.filter((line) => line.includes('granted'))).toHaveLength(8);
  });

  it('leaves it to the receivers to meet what has gone wrong, such as a lack of memory', () => {
    const { batch, log, receiver } = makeBatch(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    for (const handle of [1, 2]) batch.add(receiver(handle));
    batch.run();
    expect(log).toEqual(['1 granted', '2 granted']);
  });
});
