/** coronet/inspect: the tasks of a running program, what each of them waits for, and since when. */
export { type FormatOptions, formatTaskTree } from './inspect/format.ts';
export type {
  ChannelView,
  ListenerView,
  LockView,
  ResourceViews,
  SocketsView,
  SocketWait,
} from './inspect/resources.ts';
export { type InspectSnapshot, inspectSnapshot, type SnapshotOptions } from './inspect/snapshot.ts';
export { type TaskNode, type TaskTree, type TaskTreeOptions, taskTree } from './inspect/tree.ts';
export type { ProcessUsage } from './world/platform.ts';
