/**
 * Coronet: a task is a generator that yields a reason and a resource; the scheduler resumes it when
 * the resource is ready.
 *
 *   kernel   tasks, scopes, groups, time
 *   net      sockets and listeners
 *   server   a task for every connection
 *   node     the real world: Node's event loop, epoll
 */

// kernel: what tasks are made of
export { Cancelled, isCancelled } from './kernel/cancelled.ts';
export { currentScope, currentTask } from './kernel/current.ts';
export {
  BusyError,
  ClosedError,
  CoronetError,
  DeadlockError,
  GroupError,
  GroupStateError,
  ShieldExpiredError,
  SystemError,
  TaskCancelledError,
  TimeoutError,
  UncooperativeError,
  UsageError,
} from './kernel/errors.ts';
export { type Group, group, type SpawnOptions } from './kernel/group.ts';
export type { Hooks } from './kernel/hooks.ts';
export { TaskLocal } from './kernel/local.ts';
export type { Operation, OperationSource, Wait } from './kernel/operation.ts';
export type { Pollable } from './kernel/readiness.ts';
export type { Scope } from './kernel/scope.ts';
export { shield } from './kernel/shield.ts';
export type { SchedulerStats } from './kernel/stats.ts';
export type { Task, TaskState } from './kernel/task.ts';
export { now } from './kernel/time.ts';
export { readable, sleep, sleepForever, sleepUntil, writable } from './kernel/waits.ts';
export { deadline, moveOnAfter, scope, timeout } from './kernel/with-scope.ts';

// net: sockets
export { type Address, SocketAddress } from './net/address.ts';
export { type ConnectOptions, connect } from './net/connect.ts';
export { TornError } from './net/errors.ts';
export { listen } from './net/listen.ts';
export { Listener } from './net/listener.ts';
export { Socket } from './net/socket.ts';
// node: the real world
export type { Backend, BackendChoice } from './node/backend.ts';
export { type MainOptions, main } from './node/main.ts';
export { type Clock, type RunOptions, run } from './node/run.ts';
export { serve, tcpServer } from './server/serve.ts';
// server: a task for every connection
export type { Handler, Server, ServerOptions, ServerStats } from './server/server.ts';
export type { KeepAliveOptions, ListenOptions } from './world/network.ts';
