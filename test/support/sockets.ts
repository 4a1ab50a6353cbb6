/** What the cases share: connected pairs, expected failures, test data, and the check for leaks. */
import { createHash } from 'node:crypto';
import { readdirSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Address, Operation, Socket, Task } from '../../src/index.ts';
import {
  connect,
  GroupError,
  group,
  isCancelled,
  listen,
  moveOnAfter,
  now,
  sleep,
  writable,
} from '../../src/index.ts';
import type { TestBackend } from './backends.ts';

/** Any free port. */
export const LOOPBACK = '127.0.0.1:0';

/** As long as anything may take that happens by itself. */
const PATIENCE_MS = 20_000;

/** A connection that is not writable for a few times as long is full. */
const SILENCE_MS = 8;

// ---- leaks ----

const leftOpen: Error[] = [];

process.on('warning', (warning: Error & { code?: string }) => {
  if (warning.code === 'ERR_LEFT_OPEN') leftOpen.push(warning);
});

/** The warnings about what programs have left open, once. */
export function takeLeftOpen(): Error[] {
  return leftOpen.splice(0);
}

/** After every test: the network, what lies beneath it and the process hold no socket more. */
export function expectNothingLeft(backend: TestBackend): void {
  let before = 0;
  beforeEach(() => {
    before = openSockets();
  });
  afterEach(async () => {
    expect(backend.counters()).toEqual({ transports: 0, listeners: 0, datagrams: 0, slabs: 0 });
    await expect.poll(() => nonZero(backend.residue()), { timeout: 2000, interval: 2 }).toEqual({});
    await expect.poll(openSockets, { timeout: 5000, interval: 5 }).toBe(before);
    expect(takeLeftOpen()).toEqual([]);
  });
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

/** Sockets of this process, as far as the system shows them. */
export function openSockets(): number {
  return descriptors().filter(isSocket).length;
}

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd');
  } catch {
    return []; // Only Linux tells.
  }
}

function isSocket(descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:');
  } catch {
    return false; // It was the one through which the directory was read.
  }
}

// ---- connections ----

/** Runs `body` with both ends of a connection, and closes them. */
export function* withPair<T>(
  body: (near: Socket, far: Socket) => Operation<T>,
  address: Address = LOOPBACK,
): Operation<T> {
  const listener = yield* listen(address);
  const sockets: Socket[] = [];
  try {
    const near = yield* connect(listener.address);
    sockets.push(near);
    const far = yield* listener.accept();
    sockets.push(far);
    listener.close();
    return yield* body(near, far);
  } finally {
    for (const socket of sockets) socket.close();
    listener.close();
  }
}

/**
 * As withPair, on a connection that is full for good once it is full: the buffers of a Unix socket
 * do not grow, those of TCP move and grow while nobody looks.
 */
export function withTightPair<T>(body: (near: Socket, far: Socket) => Operation<T>): Operation<T> {
  tightPairs++;
  return withPair(body, { path: join(tmpdir(), `coronet-${process.pid}-${tightPairs}.sock`) });
}

let tightPairs = 0;

/** Runs `body` with the ends of `count` connections, and closes them. */
export function* withPairs<T>(
  count: number,
  body: (near: readonly Socket[], far: readonly Socket[]) => Operation<T>,
): Operation<T> {
  const listener = yield* listen(LOOPBACK);
  const near: Socket[] = [];
  const far: Socket[] = [];
  try {
    for (let i = 0; i < count; i++) {
      near.push(yield* connect(listener.address));
      far.push(yield* listener.accept());
    }
    listener.close();
    return yield* body(near, far);
  } finally {
    for (const socket of [...near, ...far]) socket.close();
    listener.close();
  }
}

/** Everything up to the end of file. */
export function* receiveAll(socket: Socket, max = 65536): Operation<Buffer> {
  const parts: Buffer[] = [];
  yield* collect(socket, parts, max);
  return Buffer.concat(parts);
}

/** As receiveAll; each part is in `parts` from the moment in which it was received. */
export function* collect(socket: Socket, parts: Buffer[], max = 65536): Operation<void> {
  for (;;) {
    const part = yield* socket.recv(max);
    if (part.length === 0) return;
    parts.push(part);
  }
}

/** The next `length` bytes. */
export function* receiveExactly(socket: Socket, length: number): Operation<Buffer> {
  const parts: Buffer[] = [];
  for (let left = length; left > 0; ) {
    const part = yield* socket.recv(left);
    if (part.length === 0) throw new Error(`The connection ended ${left} bytes too early`);
    parts.push(part);
    left -= part.length;
  }
  return Buffer.concat(parts);
}

/** Sends back what comes until the peer has finished. */
export function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

/** Sends until the connection takes nothing more, and says how much that was. */
export function* fill(socket: Socket): Operation<number> {
  const block = Buffer.alloc(65536, 'f');
  const before = socket.bytesSent;
  // Bytes move on to the peer for a while: full is what is full after some silence, too.
  for (let silences = 0; silences < 3; silences++) {
    while (socket.trySend(block) > 0) {
      silences = 0;
      yield* sleep(0);
    }
    yield* moveOnAfter(SILENCE_MS, () => writable(socket));
  }
  return socket.bytesSent - before;
}

/** One byte, in each of the ways to send it. */
export function sendsOf(socket: Socket): (() => Operation<unknown>)[] {
  return [
    () => socket.send('x'),
    () => socket.sendAll('x'),
    () => socket.sendv([Buffer.from('x')]),
    function* (): Operation<number> {
      return socket.trySend('x');
    },
  ];
}

// ---- tasks ----

/** What a program is expected to fail with. */
export interface Failure extends Error {
  readonly code?: string;
  readonly bytesSent?: number;
}

/** The error of `body`, which must fail. A cancellation from outside goes through. */
export function* failure(body: () => Operation<unknown>): Operation<Failure> {
  let value: unknown;
  try {
    value = yield* body();
  } catch (error) {
    if (isCancelled(error)) throw error;
    return error as Failure;
  }
  throw new Error(`Expected a failure, got the value ${String(value)}`);
}

/** Runs all bodies at once; the first failure leaves as it is. */
export function* together(...bodies: readonly (() => Operation<unknown>)[]): Operation<void> {
  try {
    yield* group(function* (tasks): Operation<void> {
      for (const body of bodies) tasks.spawn(body);
    });
  } catch (error) {
    throw error instanceof GroupError ? error.errors[0] : error;
  }
}

/** Waits until `holds` is true of something that no operation tells. */
export function* eventually(what: string, holds: () => boolean): Operation<void> {
  const limit = now() + PATIENCE_MS;
  while (!holds()) {
    if (now() > limit) throw new Error(`Waited in vain until ${what}`);
    yield* sleep(1);
  }
}

/** Waits until `task` waits; it must not end before. */
export function* untilWaiting(task: Task<unknown>): Operation<void> {
  yield* eventually(`'${task.name}' waits`, () => isBlocked(task));
}

function isBlocked({ state, name }: Task<unknown>): boolean {
  if (state === 'waiting') return true;
  if (state === 'ready' || state === 'running') return false;
  throw new Error(`Expected '${name}' to wait, but it has ended: ${state}`);
}

const NOBODY = 65534;

/**
 * Runs `body` as a user who is refused what users are refused; only the superuser has to change.
 */
export function* withoutPrivilege(body: () => Operation<void>): Operation<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    yield* body();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

// ---- data ----

/** `length` bytes that differ from those of another seed, and along the way. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2654435761) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Tells two large messages apart without printing them. */
export function digest(data: Uint8Array): string {
  return `${data.length} bytes, ${createHash('sha256').update(data).digest('hex')}`;
}
