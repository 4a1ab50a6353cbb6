/** TLS handshakes: the client's in `connect`, and the stages of listeners with TLS. */

import { TimeoutError, UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { writable } from '../../kernel/waits.ts';
import type { HandshakeStage } from '../../world/handshake.ts';
import type { Network, TlsClient, Transport } from '../../world/network.ts';
import type { TlsClientOptions, TlsServerOptions } from '../../world/tls.ts';
import { currentNetwork } from '../current-world.ts';

/** The same as a listener's: long enough for a slow peer. */
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Connects with `connectPlain` and does a TLS handshake on the connection. The options are checked
 * first, so that nothing is opened for an unusable certificate.
 */
export function* connectOverTls(
  host: string,
  options: TlsClientOptions,
  connectPlain: () => Operation<Transport>,
): Generator<Wait, Transport> {
  const startTls = networkWithTls().tlsClient(options);
  const plain = yield* connectPlain();
  const transport = startHandshake(startTls, plain, host);
  yield* completeHandshake(transport, options);
  return transport;
}

/** Starts the handshake of a client. If that fails, `plain` is closed. */
export function startHandshake(start: TlsClient, plain: Transport, host: string): Transport {
  try {
    return start(plain, host);
  } catch (error) {
    plain.close();
    throw error;
  }
}

/** Waits for the handshake. Cancel: the connection is reset, as it is after the time limit. */
export function* completeHandshake(
  transport: Transport,
  { handshakeTimeoutMs = DEFAULT_HANDSHAKE_TIMEOUT_MS }: TlsClientOptions,
): Generator<Wait, void> {
  let complete = false;
  try {
    complete = (yield* moveOnAfter(handshakeTimeoutMs, () => handshake(transport))) ?? false;
    if (complete) return;
    const what = `the TLS handshake with ${transport.describe()}`;
    throw new TimeoutError(handshakeTimeoutMs, what);
  } catch (error) {
    // `close`, unlike `reset`, still sends a pending alert, so the server receives the reason.
    if (!isCancelled(error) && !(error instanceof TimeoutError)) transport.close();
    throw error;
  } finally {
    if (!complete) transport.reset();
  }
}

function* handshake(transport: Transport): Generator<Wait, true> {
  while (!transport.tryConnect()) yield* writable(transport);
  return true;
}

/** Creates the TLS stages of listeners on the running task's network. */
export function tlsStageFactory(): (options: TlsServerOptions) => HandshakeStage {
  const network = networkWithTls();
  return (options) => network.tlsServer(options);
}

/** The running task's network. Errors: ERR_UNSUPPORTED if it has no TLS. */
export function networkWithTls(): Network {
  const network = currentNetwork();
  if (network.capabilities.tls) return network;
  const text = `TLS is not available on the network '${network.backend}' in this runtime`;
  throw new UsageError('ERR_UNSUPPORTED', text);
}
