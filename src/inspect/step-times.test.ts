import { expect, test } from 'vitest';
import { VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../kernel/operation.ts';
import { sleep } from '../kernel/waits.ts';
import { StepTimes } from './step-times.ts';

test('step times name the tasks that ran longest and announce kinds that had a long step', () => {
  const host = new VirtualHost();
  const announced: string[] = [];
  const steps = new StepTimes(({ id, name }) => announced.push(`${id} ${name}`));
  function* work(ms: number): Operation<void> {
    for (let i = 0; i < 3; i++) {
      yield* sleep(1);
      host.time += ms;
    }
  }
  host.playGroup(function* (tasks) {
    host.scheduler.observeSteps(steps);
    tasks.spawn(() => work(2), { name: 'reader' });
    tasks.spawn(() => work(30), { name: 'parse 1' });
    yield* sleep(1);
    yield* sleep(60);
    expect(steps.slowest().map(({ name, runMs }) => [name, runMs])[0]).toEqual(['parse 1', 60]);
    tasks.spawn(() => work(0), { name: 'parse 2' });
  });
  expect(steps.longest).toEqual({ id: 3, name: 'parse 1', runMs: 30 });
  expect(announced).toContain('3 parse 1');
  expect(announced).toContain('4 parse 2');
  expect(announced.join()).not.toContain('reader');
  expect(steps.slowest()).toEqual([]);
});

test('a kind of tasks whose steps are mostly short is announced a limited number of times', () => {
  const host = new VirtualHost();
  let announced = 0;
  host.playGroup(function* (tasks) {
    host.scheduler.observeSteps(new StepTimes(() => announced++));
    tasks.spawn(
      function* () {
        host.time += 25;
        for (let i = 0; i < 1000; i++) yield* sleep(1);
      },
      { name: 'connection' },
    );
  });
  expect(announced).toBe(250);
});

test('a scheduler without an observer does not time steps any more', () => {
  const host = new VirtualHost();
  const steps = new StepTimes();
  host.scheduler.observeSteps(steps);
  host.scheduler.observeSteps(null);
  host.play(() => sleep(1));
  expect(steps.longest).toBeUndefined();
});
