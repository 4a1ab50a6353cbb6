/**
 * The ready tasks of all hosts of a world, in the order in which they became ready. A ring buffer
 * from whose middle an item can be taken; the order of the others stays.
 */
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TaskRecord } from '../kernel/task.ts';

export class ReadyTasks {
  /** A power of two of slots. */
  #slots: (TaskRecord | undefined)[] = new Array<TaskRecord | undefined>(16).fill(undefined);
  #head = 0;
  length = 0;

  push(task: TaskRecord): void {
    if (this.length === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.length) & (this.#slots.length - 1)] = task;
    this.length++;
  }

  /** The task with `index` others before it. */
  at(index: number): TaskRecord {
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)] as TaskRecord;
  }

  /** Takes out the task with `index` others before it. */
  takeAt(index: number): TaskRecord {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const taken = this.at(index);
    // The nearer end moves up.
    if (index < this.length >> 1) {
      for (let i = index; i > 0; i--) {
        slots[(this.#head + i) & mask] = slots[(this.#head + i - 1) & mask];
      }
      slots[this.#head] = undefined;
      this.#head = (this.#head + 1) & mask;
    } else {
      for (let i = index; i < this.length - 1; i++) {
        slots[(this.#head + i) & mask] = slots[(this.#head + i + 1) & mask];
      }
      slots[(this.#head + this.length - 1) & mask] = undefined;
    }
    this.length--;
    return taken;
  }

  /** Takes out the first task of `scheduler`, which must have one here. */
  takeFirstOf(scheduler: Scheduler): TaskRecord {
    let index = 0;
    while (this.at(index).scheduler !== scheduler) index++;
    return this.takeAt(index);
  }

  #grow(): void {
    const old = this.#slots;
    const grown = new Array<TaskRecord | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.length; i++) grown[i] = this.at(i);
    this.#slots = grown;
    this.#head = 0;
  }
}
