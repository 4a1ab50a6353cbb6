/** The cost of reading: work that is linear in the bytes, and memory that is bounded by need. */
import { describe, expect, it } from 'vitest';
import { play, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import type { Operation } from '../../kernel/operation.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { Socket } from '../tcp/socket.ts';
import type { Reader } from './reader.ts';

describe('the work for a message that arrives in short chunks', () => {
  const LENGTH = 1_000_000;

  function shortPieces(): ScriptedTransport {
    const transport = new ScriptedTransport();
    for (let sent = 0, turn = 0; sent < LENGTH; turn++) {
      const length = Math.min(1 + (turn % 5), LENGTH - sent);
      transport.feed(Buffer.alloc(length, 'x'));
      sent += length;
    }
    transport.feed('\r\n');
    return transport;
  }

  it.each<[string, (reader: Reader) => Operation<string | Buffer | null>]>([
    ['readLine', (reader) => reader.readLine({ max: 2 * LENGTH })],
    ['readUntil', (reader) => reader.readUntil('\r\n', { max: 2 * LENGTH })],
    ['readExactly', (reader) => reader.readExactly(LENGTH)],
  ])('the work for a message in short chunks is linear in its length: %s', (_name, read) => {
    const reader = new Socket(shortPieces()).reader();
    let length = 0;
    const work = workOf(() => {
      length = play(() => read(reader))?.length ?? 0;
    });
    expect(length).toBeGreaterThanOrEqual(LENGTH);
    expect(work.searched).toBeLessThan(3 * LENGTH);
    expect(work.copied).toBeLessThan(2 * LENGTH);
  });
});

describe('the memory of a reader', () => {
  it('a reader allocates memory for received bytes, not for an announced length', () => {
    const transport = new ScriptedTransport();
    const reader = new Socket(transport).reader();
    transport.feed('abc');
    transport.feed('def');
    const sizes = allocationsOf(() =>
      play(function* () {
        expect(yield* moveOnAfter(5, () => reader.readExactly(2 ** 31 - 1))).toBeUndefined();
      }),
    );
    expect(Math.max(...sizes)).toBeLessThan(4096);
    expect(reader.buffered).toBe(6);
  });

  it('a reader fails if a program detaches a message that shares memory with held bytes', () => {
    const transport = new ScriptedTransport();
    const reader = new Socket(transport).reader();
    const chunk = Buffer.allocUnsafeSlow(6);
    chunk.write('a\nb\nc\n');
    transport.feed(chunk);
    play(function* () {
      const line = (yield* reader.readUntil('\n')) as Buffer;
      structuredClone(line.buffer, { transfer: [line.buffer as ArrayBuffer] });
    });
    expect(() => play(() => reader.readLine())).toThrow(/detached/);
  });

  it('a reader that waits with a few held bytes releases their slab', async () => {
    const transport = new ScriptedTransport();
    transport.clearsEarly = true;
    const reader = new Socket(transport).reader();
    const slab = new WeakRef(feedFromSlab(transport));
    const host = new VirtualHost();
    host.scheduler.start(() => reader.readLine());
    while (transport.recvWaiter === null) host.scheduler.turn();
    await expect.poll(() => collected(slab)).toBe(true);
    expect(reader.buffered).toBe(5);
  });
});

/** A small chunk at the end of the large block `memory`. */
function feedFromSlab(transport: ScriptedTransport): ArrayBufferLike {
  const slab = Buffer.allocUnsafeSlow(65536);
  slab.write('hello');
  transport.feed(slab.subarray(0, 5));
  return slab.buffer;
}

function collected(reference: WeakRef<ArrayBufferLike>): boolean {
  (globalThis as { gc?: () => void }).gc?.();
  return reference.deref() === undefined;
}

/** The sizes of the Buffers that are allocated while `body` runs. */
function allocationsOf(body: () => void): number[] {
  const sizes: number[] = [0];
  const original = Buffer.allocUnsafe;
  Buffer.allocUnsafe = (size) => {
    sizes.push(size);
    return original(size);
  };
  try {
    body();
  } finally {
    Buffer.allocUnsafe = original;
  }
  return sizes;
}

/** The arguments of Buffer.copy: target, target start, source start, source end. */
type Copy = [into: Uint8Array, at?: number, start?: number, end?: number];

/** The number of bytes that are searched and copied while `body` runs. */
function workOf(body: () => void): { readonly searched: number; readonly copied: number } {
  const work = { searched: 0, copied: 0 };
  const { indexOf, copy } = Buffer.prototype;
  Buffer.prototype.indexOf = function (this: Buffer, value: string, from = 0): number {
    work.searched += this.length - Number(from);
    return indexOf.call(this, value, from as number);
  };
  Buffer.prototype.copy = function (this: Buffer, ...how: Copy): number {
    work.copied += (how[3] ?? this.length) - (how[2] ?? 0);
    return copy.apply(this, how);
  };
  try {
    body();
  } finally {
    Object.assign(Buffer.prototype, { indexOf, copy });
  }
  return work;
}
