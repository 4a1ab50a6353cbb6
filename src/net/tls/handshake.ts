/** TLS over a connection that stands, and under a listener: what `connect` and `listen` call. */

import { TimeoutError, UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { writable } from '../../kernel/waits.ts';
import type { HandshakeStage } from '../../world/handshake.ts';
import type { Network, TlsClient, Transport } from '../../world/network.ts';
import type { TlsClientOptions, TlsServerOptions } from '../../world/tls.ts';
import { currentNetwork } from '../current-world.ts';
import { checkTlsClient } from './options.ts';

/** As much patience as a server has; the first page of a slow peer comes well within. */
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/** What `connect` was asked for as `tls`: `undefined` for none. */
export function checkedTlsClientOptions(
  tls: true | TlsClientOptions | undefined,
): TlsClientOptions | undefined {
  if (tls === undefined) return undefined;
  const options = tls === true ? {} : tls;
  checkTlsClient(options);
  return options;
}

/**
 * Connects by `connecting` and makes a TLS connection of it. The options are put to the test first:
 * nothing is opened for a certificate that cannot be used.
 */
export function* connectOverTls(
  host: string,
  options: TlsClientOptions,
  connecting: () => Operation<Transport>,
): Generator<Wait, Transport> {
  const client = tlsClient(options);
  const plain = yield* connecting();
  let transport: Transport;
  try {
    transport = client(plain, host);
  } catch (error) {
    plain.close();
    throw error;
  }
  yield* completeHandshake(transport, options);
  return transport;
}

/** The handshake. Cancel: the connection is reset, as it is when the time is over. */
function* completeHandshake(
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
    // A server that was refused is told why: an alert may be on its way.
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

function tlsClient(options: TlsClientOptions): TlsClient {
  return networkWithTls().tlsClient(options);
}

/** What makes the gates of listeners with TLS on the running task's network. */
export function tlsStageFactory(): (options: TlsServerOptions) => HandshakeStage {
  const network = networkWithTls();
  return (options) => network.tlsServer(options);
}

function networkWithTls(): Network {
  const network = currentNetwork();
  if (network.capabilities.tls) return network;
  const text = `TLS is not to be had on the network '${network.backend}' in this runtime`;
  throw new UsageError('ERR_UNSUPPORTED', text);
}
