import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RunQueue } from './run-queue.ts';

function drain<T>(queue: RunQueue<T>): T[] {
  const items: T[] = [];
  while (queue.length > 0) items.push(queue.shift());
  return items;
}

test('items come out in the order in which they went in', () => {
  const queue = new RunQueue<number>();
  for (const item of [1, 2, 3]) queue.push(item);
  expect(drain(queue)).toEqual([1, 2, 3]);
});

test('the queue grows beyond its first ring while it is wrapped around', () => {
  const queue = new RunQueue<number>();
  for (let i = 0; i < 60; i++) queue.push(-i);
  for (let i = 0; i < 60; i++) queue.shift();
  const items = Array.from({ length: 1000 }, (_, i) => i);
  for (const item of items) queue.push(item);
  expect(queue.length).toBe(1000);
  expect(drain(queue)).toEqual(items);
});

test('an item can be taken out of the middle, and the others keep their order', () => {
  const queue = new RunQueue<string>();
  for (const item of ['a', 'b', 'c', 'd']) queue.push(item);
  expect(queue.takeAt(2)).toBe('c');
  expect(queue.takeAt(0)).toBe('a');
  expect(drain(queue)).toEqual(['b', 'd']);
});

test('an item that has left is not held', async () => {
  const queue = new RunQueue<object>();
  const gone = new WeakRef(pushAndTake(queue));
  await new Promise((resolve) => setTimeout(resolve, 0));
  globalThis.gc?.();
  expect(gone.deref()).toBeUndefined();
});

function pushAndTake(queue: RunQueue<object>): object {
  queue.push({ large: new Array(100) });
  return queue.shift();
}

type Act = { readonly push: number } | { readonly take: number };

const acts = fc.array(
  fc.oneof(
    fc.record({ push: fc.integer() }),
    fc.record({ push: fc.integer() }),
    fc.record({ take: fc.nat(100) }),
  ),
  { maxLength: 400 },
);

function perform(act: Act, queue: RunQueue<number>, model: number[]): void {
  if ('push' in act) {
    queue.push(act.push);
    model.push(act.push);
  } else if (model.length > 0) {
    const at = act.take % model.length;
    expect(queue.takeAt(at)).toBe(model.splice(at, 1)[0]);
  }
  expect(queue.length).toBe(model.length);
}

test('it behaves as an array does, whatever is pushed and taken', () => {
  fc.assert(
    fc.property(acts, (sequence) => {
      const queue = new RunQueue<number>();
      const model: number[] = [];
      for (const act of sequence) perform(act, queue, model);
      expect(drain(queue)).toEqual(model);
    }),
    { numRuns: 50 },
  );
});
