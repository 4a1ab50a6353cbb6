/**
 * Coronet: a task is a generator that yields a reason and a resource; the scheduler resumes it when
 * the resource is ready.
 *
 *   kernel   tasks, scopes, groups, time
 *   flow     combinators and synchronization
 *   net      sockets, listeners, datagrams
 *   server   a task for every connection
 *   node     the real world: Node's event loop, epoll; run and main
 *   interop  promises, emitters, streams
 */

import type { Run, ToAsync } from './interop/to-async.ts';
import { makeToAsync } from './interop/to-async.ts';
import type { RunOptions } from './node/run.ts';
import { run } from './node/run.ts';

// kernel: tasks, scopes, groups, time

export type { Selectable } from './kernel/case.ts';
export { currentScope, currentTask, now } from './kernel/current.ts';
export {
  BusyError,
  ClosedError,
  CoronetError,
  DeadlockError,
  GroupError,
  GroupStateError,
  ShieldExpiredError,
  TaskCancelledError,
  TimeoutError,
  UncooperativeError,
  UsageError,
} from './kernel/errors.ts';
export type { Hooks } from './kernel/hooks.ts';
export type { Operation, OperationSource, Wait } from './kernel/operation.ts';
export type { Pollable } from './kernel/readiness.ts';
export { Cancelled, isCancelled } from './kernel/scope/cancelled.ts';
export type { Scope } from './kernel/scope/scope.ts';
export { shield } from './kernel/scope/shield.ts';
export { deadline, moveOnAfter, scope, timeout } from './kernel/scope/with-scope.ts';
export { type Group, group, type SpawnOptions } from './kernel/task/group.ts';
export type { Task, TaskState } from './kernel/task/task.ts';
export { TaskLocal } from './kernel/task/task-local.ts';
export { readable, sleep, sleepForever, sleepUntil, writable } from './kernel/waits.ts';
export { SystemError } from './support/system-error.ts';

// flow: combinators and synchronization

export { Barrier, type BarrierStats } from './flow/barrier.ts';
export { Broadcast, type BroadcastOptions, type BroadcastStats } from './flow/broadcast.ts';
export { Channel, type ChannelStats } from './flow/channel.ts';
export { all } from './flow/combinators/all.ts';
export { allSettled, type Settled } from './flow/combinators/all-settled.ts';
export { any } from './flow/combinators/any.ts';
export { type MapOptions, map } from './flow/combinators/map.ts';
export { race } from './flow/combinators/race.ts';
export { type RetryOptions, retry } from './flow/combinators/retry.ts';
export { Condition, type ConditionStats } from './flow/condition.ts';
export { Deferred, type DeferredStats } from './flow/deferred.ts';
export {
  AbandonedError,
  AllFailedError,
  BroadcastClosedError,
  ChannelClosedError,
  OwnerError,
  SlowSubscriberError,
} from './flow/errors.ts';
export { Event, type EventStats } from './flow/event.ts';
export { Lock, type LockStats } from './flow/lock.ts';
export { type SelectCases, type Selected, select } from './flow/select/select.ts';
export { Semaphore, type SemaphoreStats } from './flow/semaphore.ts';
export type { SlowPolicy, Subscription, SubscriptionStats } from './flow/subscription.ts';

// net: sockets, listeners, datagrams

export { type Address, SocketAddress } from './net/address.ts';
export { Reader, type ReaderOptions } from './net/buffered/reader.ts';
export { Writer, type WriterOptions } from './net/buffered/writer.ts';
export { type Codec, type FramedCodec, MalformedMessageError } from './net/codec/codec.ts';
export { json } from './net/codec/json.ts';
export { type LengthPrefixedOptions, lengthPrefixed } from './net/codec/length-prefixed.ts';
export {
  type DelimitedOptions,
  delimited,
  type LinesOptions,
  lines,
} from './net/codec/lines.ts';
export { type Messages, type MessagesOptions, messages } from './net/codec/messages.ts';
export { netstring } from './net/codec/netstring.ts';
export { backend } from './net/current-world.ts';
export {
  FlushNeededError,
  LimitError,
  ProxyHeaderError,
  ProxyUntrustedError,
  TornError,
  UnexpectedEofError,
} from './net/errors.ts';
export type { ProxyHeaderOptions } from './net/proxy/encode.ts';
export type { ProxyField, ProxyHeader } from './net/proxy/header.ts';
export { proxyHeader } from './net/proxy/header-stage.ts';
export { ConnectError, type ConnectOptions, connect } from './net/tcp/connect.ts';
export { listen } from './net/tcp/listen.ts';
export { Listener } from './net/tcp/listener.ts';
export { type PipeOptions, pipe } from './net/tcp/pipe.ts';
export { Socket } from './net/tcp/socket.ts';
export type { StartTlsOptions } from './net/tls/start-tls.ts';
export { bindDatagram, Datagram, type ReceivedDatagram } from './net/udp/datagram.ts';
export type { HandshakeFailure, HandshakeStats, ProxyProtocolOptions } from './world/handshake.ts';
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

export { type InheritedListener, inheritedListeners } from './server/inherited-listeners.ts';
export type { AcceptRate, Handler, ReceiveRate, ServerOptions } from './server/options.ts';
export { ready } from './server/ready.ts';
export { serve, tcpServer } from './server/serve.ts';
export type { Server } from './server/server.ts';
export type {
  CloseReason,
  CloseRecord,
  CutConnection,
  DrainReport,
  LimitName,
  RefusalReason,
  ServerStats,
} from './server/stats.ts';

// node: the real world

export type { Backend, BackendChoice } from './node/backend.ts';
export { TruncatedError } from './node/error-codes.ts';
export { type MainOptions, main } from './node/main.ts';
export { type Clock, type RunOptions, run } from './node/run.ts';

// interop: promises, emitters, streams

export { callback } from './interop/callback.ts';
export { each } from './interop/each.ts';
export { type AsyncHandler, asyncHandler } from './interop/front-door/async-handler.ts';
export type { AsyncSocket } from './interop/front-door/async-socket.ts';
export { type HandOver, handOver, type StreamHandler } from './interop/front-door/hand-over.ts';
export type { HandedOverStream } from './interop/front-door/handed-over-stream.ts';
export { once } from './interop/once.ts';
export { type DuplexSocket, fromDuplex, toDuplex } from './interop/streams/duplex.ts';
export { fromWebStreams, toWebStreams, type WebStreams } from './interop/streams/web-streams.ts';
export { AbortError } from './interop/to-async.ts';
export { until } from './interop/until.ts';

/** An async function that runs the generator function `fn`. See interop/to-async.ts. */
export const toAsync: ToAsync<RunOptions> = makeToAsync<RunOptions>(run as Run<RunOptions>);
