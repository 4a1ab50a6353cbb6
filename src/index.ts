/**
 * Coronet: a task is a generator that yields a reason and a resource; the scheduler resumes it when
 * the resource is ready.
 *
 *   kernel   tasks, scopes, groups, time
 *   flow     several operations at once, and what tasks share
 *   net      sockets, listeners, datagrams
 *   server   a task for every connection
 *   node     the real world: Node's event loop, epoll; run and main
 *   interop  promises, emitters, streams
 */

import type { Run, ToAsync } from './interop/to-async.ts';
import { makeToAsync } from './interop/to-async.ts';
import type { RunOptions } from './node/run.ts';
import { run } from './node/run.ts';

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
export type { Task, TaskState } from './kernel/task.ts';
export { now } from './kernel/time.ts';
export { readable, sleep, sleepForever, sleepUntil, writable } from './kernel/waits.ts';
export { deadline, moveOnAfter, scope, timeout } from './kernel/with-scope.ts';

// flow: several operations at once, and what tasks share

export { all } from './flow/all.ts';
export { allSettled, type Settled } from './flow/all-settled.ts';
export { any } from './flow/any.ts';
export { Barrier, type BarrierStats } from './flow/barrier.ts';
export { Broadcast, type BroadcastOptions, type BroadcastStats } from './flow/broadcast.ts';
export { Channel, type ChannelStats } from './flow/channel.ts';
export { AllFailedError } from './flow/combinator-errors.ts';
export { Condition, type ConditionStats } from './flow/condition.ts';
export {
  AbandonedError,
  BroadcastClosedError,
  ChannelClosedError,
  OwnerError,
  SlowSubscriberError,
} from './flow/errors.ts';
export { Event, type EventStats } from './flow/event.ts';
export { Lock, type LockStats } from './flow/lock.ts';
export { type MapOptions, map } from './flow/map.ts';
export type { Members, Places } from './flow/members.ts';
export { type Place, race } from './flow/race.ts';
export { type RetryOptions, retry } from './flow/retry.ts';
export { type SelectArms, type Selected, select } from './flow/select.ts';
export { Semaphore, type SemaphoreStats } from './flow/semaphore.ts';
export type { SlowPolicy, Subscription, SubscriptionStats } from './flow/subscription.ts';

// net: sockets

export { type Address, SocketAddress } from './net/address.ts';
export { bindDatagram } from './net/bind-datagram.ts';
export { type ConnectOptions, connect } from './net/connect.ts';
export { ConnectError } from './net/connect-error.ts';
export { Datagram, type ReceivedDatagram } from './net/datagram.ts';
export { FlushNeededError, LimitError, TornError, UnexpectedEofError } from './net/errors.ts';
export { listen } from './net/listen.ts';
export { Listener } from './net/listener.ts';
export { type PipeOptions, pipe } from './net/pipe.ts';
export { ProxyHeaderError, ProxyUntrustedError } from './net/proxy-errors.ts';
export { proxyHeader } from './net/proxy-gate.ts';
export type { ProxyField, ProxyHeader } from './net/proxy-protocol.ts';
export { Reader, type ReaderOptions } from './net/reader.ts';
export { Socket } from './net/socket.ts';
export { backend } from './net/world.ts';
export { Writer, type WriterOptions } from './net/writer.ts';
export type { HandshakeFailure, HandshakeStats, ProxyProtocolOptions } from './world/gate.ts';
export type { DatagramOptions, KeepAliveOptions, ListenOptions } from './world/network.ts';
export type {
  TlsClientOptions,
  TlsIdentity,
  TlsInfo,
  TlsKey,
  TlsOptions,
  TlsPeerCertificate,
  TlsPem,
  TlsPfx,
  TlsServerOptions,
  TlsVersion,
} from './world/tls.ts';

// server: a task for every connection

export { type HealthOptions, health } from './server/health.ts';
export { type InheritedListener, inheritedListeners } from './server/inherited.ts';
export type { Observed } from './server/metrics.ts';
export type { AcceptRate, Handler, Limit, ReceiveRate, ServerOptions } from './server/options.ts';
export { ready } from './server/ready.ts';
export type {
  CloseCause,
  CloseRecord,
  CutConnection,
  DrainReport,
  LimitName,
  RefusalCause,
  ServerStats,
} from './server/reports.ts';
export { serve, tcpServer } from './server/serve.ts';
export type { Server } from './server/server.ts';
export type { WorkerState } from './server/worker.ts';
export { WorkerError } from './server/worker-errors.ts';
export type { WorkerStats, WorkersStats } from './server/worker-stats.ts';
export {
  type WorkerEvent,
  type Workers,
  type WorkersOptions,
  workers,
} from './server/workers.ts';

// node: the real world

export type { Backend, BackendChoice } from './node/backend.ts';
export { TruncatedError } from './node/errors.ts';
export { type MainOptions, main } from './node/main.ts';
export { type Clock, type RunOptions, run } from './node/run.ts';

// interop: promises, emitters, streams

export { type Begin, callback } from './interop/callback.ts';
export { type DuplexSocket, fromDuplex, toDuplex } from './interop/duplex.ts';
export { each } from './interop/each.ts';
export { type EmitterLike, once } from './interop/once.ts';
export { AbortError } from './interop/to-async.ts';
export { until } from './interop/until.ts';
export { fromWebStreams, toWebStreams, type WebStreams } from './interop/web-streams.ts';

/** An async function that runs the generator function `fn`. See interop/to-async.ts. */
export const toAsync: ToAsync<RunOptions> = makeToAsync<RunOptions>(run as Run<RunOptions>);
