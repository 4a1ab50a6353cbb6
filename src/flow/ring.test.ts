import { expect, test } from 'vitest';
import { Ring } from './ring.ts';

test('gives items in the order of pushing, also around its end', () => {
  const ring = new Ring<number>();
  const seen: number[] = [];
  let next = 0;
  for (let round = 0; round < 50; round++) {
    for (let i = 0; i < round % 7; i++) ring.push(next++);
    for (let i = 0; i < 3 && ring.length > 0; i++) seen.push(ring.shift());
  }
  while (ring.length > 0) seen.push(ring.shift());
  expect(seen).toEqual([...Array(next).keys()]);
});

test('holds nothing that was taken out', () => {
  const ring = new Ring<object>();
  for (let i = 0; i < 1000; i++) ring.push({});
  while (ring.length > 0) ring.shift();
  ring.push({});
  expect(ring.length).toBe(1);
  ring.clear();
  expect(ring.length).toBe(0);
});
