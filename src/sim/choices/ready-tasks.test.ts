import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TaskImpl } from '../../kernel/task/task.ts';
import { ReadyTasks } from './order.ts';

/** ReadyTasks uses only the identity and the scheduler of a task. */
function fakeTask(scheduler: object = {}): TaskImpl {
  return { scheduler } as TaskImpl;
}

describe('the ready tasks of a world', () => {
  it('keep their order when any of them is removed', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(100)), { maxLength: 200 }), (commands) => {
        const ready = new ReadyTasks();
        const model: TaskImpl[] = [];
        for (const command of commands) {
          if (command === null || model.length === 0) {
            const task = fakeTask();
            ready.push(task);
            model.push(task);
          } else {
            const index = command % model.length;
            expect(ready.takeAt(index)).toBe(model.splice(index, 1)[0]);
          }
          expect(ready.length).toBe(model.length);
        }
        for (const [index, task] of model.entries()) expect(ready.at(index)).toBe(task);
      }),
    );
  });

  it('return the first task of a scheduler', () => {
    const ready = new ReadyTasks();
    const own = { scheduler: 'own' };
    const [a, b, c] = [fakeTask(), fakeTask(own), fakeTask(own)];
    for (const task of [a, b, c]) ready.push(task);
    expect(ready.takeFirstOf(own as never)).toBe(b);
    expect(ready.takeFirstOf(own as never)).toBe(c);
    expect(ready.at(0)).toBe(a);
  });
});
