/** The unfinished tasks of a world, told to people. */
import { taskLine } from '../kernel/report.ts';
import type { Life } from './life.ts';

/** Lines of one host that a report shows at most. */
const MOST_LINES = 20;

/** A line for every unfinished task, with its host, bounded for each host. */
export function taskLines(lives: readonly Life[]): string[] {
  return lives.flatMap((life) => {
    const tasks = life.scheduler.tasks();
    const lines = tasks.slice(0, MOST_LINES).map((task) => lineOf(life, taskLine(task)));
    const more = tasks.length - MOST_LINES;
    return more > 0 ? [...lines, lineOf(life, `and ${more} more tasks`)] : lines;
  });
}

/** The same, of all tasks. */
export function tasksOf(lives: readonly Life[]): string[] {
  return lives.flatMap((life) => {
    return life.scheduler.tasks().map((task) => lineOf(life, taskLine(task)));
  });
}

function lineOf(life: Life, text: string): string {
  return `${life.machine.name}: ${text}`;
}
