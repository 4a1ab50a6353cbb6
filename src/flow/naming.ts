/** Names and sizes of what this room makes: how they are checked and shown. */
import { outOfRange, wrongType } from '../kernel/checks.ts';
import type { TaskRecord } from '../kernel/task.ts';

/** Throws unless `name` is a string. */
export function checkName(name: string): void {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name);
}

/** Throws unless `value` is a whole number of at least `least`, or Infinity. */
export function checkCount(label: string, value: number, least: number): void {
  const expected = `a whole number ≥ ${least}, or Infinity`;
  if (typeof value !== 'number') throw wrongType(label, expected, value);
  if (value === Infinity) return;
  if (!Number.isSafeInteger(value) || value < least) throw outOfRange(label, expected, value);
}

/** "channel 'jobs'", or "channel" for one that has no name. */
export function titled(kind: string, name: string): string {
  return name === '' ? kind : `${kind} '${name}'`;
}

/** "task 7 'writer'". */
export function taskTitle(task: TaskRecord): string {
  return `task ${task.id} '${task.name}'`;
}
