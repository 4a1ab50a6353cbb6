/** The record of one run, as plain data: for a story (a page) or a trace. */
import type { TaskState } from '../../kernel/task/task.ts';
import type { DecisionKind } from '../choices/decisions.ts';

/** A recorded run. Tasks and hosts are indices into the lists. */
export interface Recording {
  readonly hosts: readonly string[];
  readonly tasks: readonly RecordedTask[];
  /** In the order in which they happened. */
  readonly entries: readonly RecordedEntry[];
  /** Earlier entries that were dropped; the partitions and crashes among them were kept. */
  readonly omitted: number;
}

export interface RecordedTask {
  readonly host: number;
  /** The number of starts of its host up to its process: a restart begins another one. */
  readonly starts: number;
  readonly id: number;
  readonly name: string;
  /** −1 for the main task of a process. */
  readonly parent: number;
}

export type RecordedEntry =
  | SpawnEntry
  | StepEntry
  | WakeEntry
  | SendEntry
  | MessageEndEntry
  | ChoiceEntry
  | WorldEntry;

/** A task was created by the task `by`; −1: by the start of a process. */
export interface SpawnEntry {
  readonly type: 'spawn';
  readonly at: number;
  readonly task: number;
  readonly by: number;
}

/** A task made a step. */
export interface StepEntry {
  readonly type: 'step';
  readonly at: number;
  readonly task: number;
  /** Why it was resumed: '' for the end of its wait. */
  readonly resumed: '' | 'start' | 'error' | 'cancelled';
  /** Its wait afterwards; '' for a bare yield. */
  waitsFor: string;
  /** After the step: 'waiting', or how the task has ended. */
  state: TaskState;
  /** The text of the error of a failed task. */
  error?: string;
}

/** The wait of a task ended. */
export interface WakeEntry {
  readonly type: 'wake';
  readonly at: number;
  readonly task: number;
  readonly reason: 'task' | 'network' | 'timer' | 'other';
  /** The task that has woken it; −1 for another reason. */
  readonly by: number;
  /** The message that has woken it; 0 for another reason. */
  readonly message: number;
}

/** A message left its host. `arrive` or `lose` with the same number follows, unless it is held. */
export interface SendEntry {
  readonly type: 'send';
  readonly at: number;
  readonly message: number;
  readonly from: number;
  readonly to: number;
  readonly text: string;
  /** The sending task; −1: the system, for example for an acknowledgement. */
  readonly task: number;
}

export interface MessageEndEntry {
  readonly type: 'arrive' | 'lose';
  readonly at: number;
  readonly message: number;
}

/** A random choice differed from its default. */
export interface ChoiceEntry {
  readonly type: 'choice';
  readonly at: number;
  readonly kind: DecisionKind;
  /** The link, the fault, the host; '' if there is none. */
  readonly subject: string;
  /** An index, 1 for "yes", or a part of the range. */
  readonly outcome: number;
}

/** A fault, a crash, a partition, the start of a process, …: see `SimCore.trace`. */
export interface WorldEntry {
  readonly type: 'world';
  readonly at: number;
  readonly kind: string;
  /** −1 for none. */
  readonly host: number;
  readonly peer: number;
  readonly text: string;
}
