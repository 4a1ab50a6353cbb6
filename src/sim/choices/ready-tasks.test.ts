import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { TaskImpl } from '../../kernel/task/task.ts';
import { takeAt } from './order.ts';

it('the ready tasks of a world keep their order when any of them is removed', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat(100)), { maxLength: 200 }), (commands) => {
      const ready: TaskImpl[] = [];
      const model: TaskImpl[] = [];
      for (const command of commands) {
        if (command === null || model.length === 0) {
          const task = {} as TaskImpl;
          ready.push(task);
          model.push(task);
        } else {
          const index = command % model.length;
          expect(takeAt(ready, index)).toBe(model.splice(index, 1)[0]);
        }
        expect(ready.length).toBe(model.length);
      }
      for (const [index, task] of model.entries()) expect(ready[index]).toBe(task);
    }),
  );
});
