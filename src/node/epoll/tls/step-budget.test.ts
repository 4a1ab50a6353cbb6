import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { StepBudget } from './step-budget.ts';

test('at most eight handshake steps run in a turn of the event loop, in order', async () => {
  const budget = new StepBudget();
  const ran: number[] = [];
  for (let i = 0; i < 20; i++) budget.run(() => ran.push(i));
  const turns = [ran.length];
  while (ran.length < 20) {
    await setImmediate();
    turns.push(ran.length);
  }
  expect(turns).toEqual([8, 16, 20]);
  expect(ran).toEqual(Array.from({ length: 20 }, (_, i) => i));
});

test('a handshake step in a later turn of the event loop runs at once', async () => {
  const budget = new StepBudget();
  for (let i = 0; i < 8; i++) budget.run(() => {});
  await setImmediate();
  let ran = false;
  budget.run(() => {
    ran = true;
  });
  expect(ran).toBe(true);
});
