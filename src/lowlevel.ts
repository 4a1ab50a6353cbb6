/**
 * coronet/lowlevel: the kernel's inside, for people who build their own operations or their own
 * host. Here the names are stable, too, but less is kept from you.
 */
export {
  type Choice,
  ReadinessChoice,
  type Selectable,
  TryChoice,
  WOULD_WAIT,
} from './flow/selectable.ts';
export type { Host } from './kernel/host.ts';
export { type Frames, isOperation, Lazy, operationOf, PAUSE, Step } from './kernel/operation.ts';
export { Parking, ParkingQueue } from './kernel/parking.ts';
export { Readiness, type ReadinessWaiter } from './kernel/readiness.ts';
export { Scheduler, type SchedulerOptions } from './kernel/scheduler.ts';
export type { SchedulerStats } from './kernel/stats.ts';
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
export { epollNetwork } from './node/epoll.ts';
export { NodeHost } from './node/host.ts';
export { nodePlatform } from './node/platform.ts';
export { portableNetwork } from './node/portable.ts';
export type { Gate, Passage } from './world/gate.ts';
export type {
  Capabilities,
  ConnectOptions,
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
} from './world/network.ts';
export type {
  DiagnosticsChannel,
  EndSignal,
  HeardSignal,
  Metric,
  MetricSample,
  ParentProcess,
  Platform,
  WorkerEvents,
  WorkerExit,
  WorkerProcess,
  WorkerStart,
} from './world/platform.ts';
export type { Program } from './world/program.ts';
export type { World } from './world/world.ts';
