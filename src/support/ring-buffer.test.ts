import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RingBuffer } from './ring-buffer.ts';

function drain<T>(queue: RingBuffer<T>): T[] {
  const items: T[] = [];
  while (queue.length > 0) items.push(queue.shift());
  return items;
}

test('a ring buffer returns its items in FIFO order', () => {
  const queue = new RingBuffer<number>();
  for (const item of [1, 2, 3]) queue.push(item);
  expect(drain(queue)).toEqual([1, 2, 3]);
});

test('a ring buffer returns an item that was added at the front before all others', () => {
  const queue = new RingBuffer<number>();
  for (const item of [3, 4, 5, 6]) queue.push(item);
  queue.unshift(2);
  queue.unshift(1);
  expect(drain(queue)).toEqual([1, 2, 3, 4, 5, 6]);
  queue.unshift(7);
  expect(drain(queue)).toEqual([7]);
});

test('a ring buffer grows while its items wrap around', () => {
  const queue = new RingBuffer<number>();
  for (let i = 0; i < 60; i++) queue.push(-i);
  for (let i = 0; i < 60; i++) queue.shift();
  const items = Array.from({ length: 1000 }, (_, i) => i);
  for (const item of items) queue.push(item);
  expect(queue.length).toBe(1000);
  expect(drain(queue)).toEqual(items);
});

test('a ring buffer does not keep an item that was removed', async () => {
  const queue = new RingBuffer<object>();
  const removed = new WeakRef(pushAndTake(queue));
  await new Promise((resolve) => setTimeout(resolve, 0));
  globalThis.gc?.();
  expect(removed.deref()).toBeUndefined();
});

function pushAndTake(queue: RingBuffer<object>): object {
  queue.push({ large: new Array(100) });
  return queue.shift();
}

type Act = { readonly push: number } | { readonly take: true };

const acts = fc.array(
  fc.oneof(
    fc.record({ push: fc.integer() }),
    fc.record({ push: fc.integer() }),
    fc.constant({ take: true } as const),
  ),
  { maxLength: 400 },
);

function perform(act: Act, queue: RingBuffer<number>, model: number[]): void {
  if ('push' in act) {
    queue.push(act.push);
    model.push(act.push);
  } else if (model.length > 0) {
    expect(queue.shift()).toBe(model.shift());
  }
  expect(queue.length).toBe(model.length);
}

test('a cleared ring buffer is empty and can be used again', () => {
  const queue = new RingBuffer<number>();
  queue.push(1);
  queue.clear();
  expect(queue.length).toBe(0);
  queue.push(2);
  expect(drain(queue)).toEqual([2]);
});

test('a ring buffer behaves like an array for random sequences', () => {
  fc.assert(
    fc.property(acts, (sequence) => {
      const queue = new RingBuffer<number>();
      const model: number[] = [];
      for (const act of sequence) perform(act, queue, model);
      expect(drain(queue)).toEqual(model);
    }),
    { numRuns: 50 },
  );
});
