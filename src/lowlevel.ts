/**
 * coronet/lowlevel: the parts of the kernel for authors of operations, networks and hosts. These
 * names are stable, too, but check less.
 */
export {
  AttemptCase,
  type Case,
  ReadinessCase,
  type Selectable,
  WOULD_WAIT,
} from './kernel/case.ts';
export type { SchedulerHost } from './kernel/host.ts';
export { type Frames, isOperation, Lazy, operationOf, PAUSE, Step } from './kernel/operation.ts';
export { Parking, type ParkingOptions, ParkingQueue } from './kernel/parking.ts';
export { Readiness, type ReadinessWaiter } from './kernel/readiness.ts';
export type { SchedulerStats } from './kernel/scheduler.ts';
export { Scheduler, type SchedulerOptions } from './kernel/scheduler.ts';
export {
  checkpoint,
  mustPause,
  park,
  parkWait,
  pause,
  recvWait,
  sendWait,
  type WaitResult,
} from './kernel/waits.ts';
export { epollNetwork } from './node/epoll/network.ts';
export { NodeHost } from './node/host.ts';
export { nodePlatform } from './node/platform.ts';
export { portableNetwork } from './node/portable/network.ts';
export type { HandshakeStage, PendingHandshake } from './world/handshake.ts';
export type {
  Capabilities,
  DatagramOptions,
  DatagramTransport,
  Endpoint,
  IncomingDatagram,
  ListenerTransport,
  Network,
  NetworkCounters,
  NetworkLimits,
  NetworkOwner,
  SocketOption,
  TlsClient,
  Transport,
  TransportConnectOptions,
} from './world/network.ts';
export type {
  DiagnosticsChannel,
  Metric,
  MetricSample,
  ObservedSignal,
  ParentProcess,
  Platform,
  StopSignal,
  WorkerEvents,
  WorkerExit,
  WorkerProcess,
  WorkerStart,
} from './world/platform.ts';
export type { Program, RuntimeWorld } from './world/world.ts';
