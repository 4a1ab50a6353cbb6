/** Finding tasks that wait for each other. */
import type { TaskRecord } from './task.ts';

/**
 * Follows who waits for whom from `task`: the way back to it, or an empty list if there is none.
 * `most` bounds the walk: no way is longer than there are tasks.
 */
export function findCycle(task: TaskRecord, most: number): readonly TaskRecord[] {
  const way = [task];
  for (let at = holderOf(task); at !== null; at = holderOf(at)) {
    way.push(at);
    if (at === task) return way;
    if (way.length > most) return [];
  }
  return [];
}

/** The task that has to act before `task` can go on, where that is known. */
function holderOf(task: TaskRecord): TaskRecord | null {
  if (task.state !== 'waiting' || task.wait?.[0] !== 'park') return null;
  return task.wait[1].holder();
}
