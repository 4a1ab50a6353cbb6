/** What a server counts. */
import type { CloseCause, RefusalCause } from './reports.ts';

export class Tally {
  accepted = 0;
  failed = 0;
  resetByPeer = 0;
  acceptPauses = 0;
  /** Of the connections that have ended; those of open ones stand on their sockets. */
  bytesReceived = 0;
  bytesSent = 0;
  readonly refused: Record<RefusalCause, number> = {
    maxConnectionsPerPeer: 0,
    maxAcceptRatePerPeer: 0,
    shed: 0,
    proxyHeader: 0,
    untrusted: 0,
  };
  readonly closed: Record<CloseCause, number> = {
    handler: 0,
    drained: 0,
    failed: 0,
    peerReset: 0,
    cut: 0,
    firstByteTimeoutMs: 0,
    idleTimeoutMs: 0,
    sendStallTimeoutMs: 0,
    minReceiveRate: 0,
    maxLifetimeMs: 0,
  };
}
