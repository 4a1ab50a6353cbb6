/**
 * The upgrade of a connection that has carried plain bytes to TLS: `socket.startTls` (STARTTLS).
 *
 * The handshakes are those of `connect` and of listeners (handshake.ts). While one runs, nothing
 * else uses the transport: the socket counts as receiving and sending, and raw waits
 * (`yield ['recv', socket]`) wait for the upgrade itself.
 */
import type { ClosedError } from '../../kernel/errors.ts';
import type { Wait } from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { park } from '../../kernel/waits.ts';
import { checkOptionalBoolean, wrongType } from '../../support/checks.ts';
import { SystemError } from '../../support/system-error.ts';
import type { HandshakeStage, PendingHandshake } from '../../world/handshake.ts';
import type { Network, TlsClient, Transport } from '../../world/network.ts';
import type { TlsClientOptions, TlsServerOptions } from '../../world/tls.ts';
import { completeHandshake, networkWithTls, startHandshake } from './handshake.ts';
import { checkTlsClient, checkTlsServer } from './options.ts';

/** Options of `socket.startTls`: those of `connect` or, for the server of the handshake, those of
 *  `listen`. There, `maxHandshakes` has no effect. */
export type StartTlsOptions = (TlsClientOptions | TlsServerOptions) & {
  /** True: this end is the server. Default: true for a connection that was accepted. */
  readonly isServer?: boolean;
};

/** The checked arguments of `socket.startTls`. */
export interface UpgradePlan {
  /** The object of the caller, by which the prepared state is found again. */
  readonly given: object;
  readonly options: TlsClientOptions | TlsServerOptions;
  readonly isServer: boolean;
  /** For clients: the name that the certificate must be valid for. */
  readonly host: string;
}

/** Checks the options. `host` is the host that the socket has connected to; null: the socket was
 *  accepted. */
export function planUpgrade(given: StartTlsOptions, host: string | null): UpgradePlan {
  if (typeof given !== 'object' || given === null) {
    throw wrongType('options', 'an object such as { cert, key }', given);
  }
  const { isServer, ...options } = given;
  checkOptionalBoolean('isServer', isServer);
  const plan = { given, options, isServer: isServer ?? host === null, host: host ?? 'localhost' };
  if (plan.isServer) checkTlsServer(options);
  else checkTlsClient(options);
  return plan;
}

/** The certificates and keys of upgrades with the same options: parsing them takes longer than a
 *  handshake. */
interface Prepared {
  readonly network: Network;
  readonly isServer: boolean;
  readonly state: TlsClient | HandshakeStage;
}

const preparedByOptions = new WeakMap<object, Prepared>();

function prepare({ given, options, isServer }: UpgradePlan): TlsClient | HandshakeStage {
  const network = networkWithTls();
  const known = preparedByOptions.get(given);
  if (known?.network === network && known.isServer === isServer) return known.state;
  const state = isServer ? network.tlsServer(options) : network.tlsClient(options);
  preparedByOptions.set(given, { network, isServer, state });
  return state;
}

/** One handshake. As a Readiness, it is what raw waits on the socket wait for in the meantime. */
export class TlsUpgrade extends Readiness {
  readonly #raw: Transport;
  readonly #plan: UpgradePlan;
  readonly #state: TlsClient | HandshakeStage;
  /** Ends the handshake; null: it has not started. */
  #abort: ((error: ClosedError) => void) | null = null;

  /** Errors: ERR_TLS_OPTIONS, ERR_UNSUPPORTED. */
  constructor(raw: Transport, plan: UpgradePlan) {
    super();
    this.#raw = raw;
    this.#plan = plan;
    this.#state = prepare(plan);
  }

  override describe(): string {
    return this.#raw.describe();
  }

  /** Returns the transport of the secured connection. Whatever else happens closes the connection.
   *  Cancel: the connection is reset. */
  *run(): Generator<Wait, Transport> {
    const state = this.#state;
    return yield* typeof state === 'function' ? this.#runClient(state) : this.#runServer(state);
  }

  /** The socket was closed. */
  abort(error: ClosedError): void {
    this.#abort?.(error);
    this.rejectWaiters(error);
  }

  /** The handshake is over: raw waits attempt again, on the new transport. */
  end(): void {
    this.notifyRecv();
    this.notifySend();
  }

  *#runClient(start: TlsClient): Generator<Wait, Transport> {
    const { host, options } = this.#plan;
    const transport = startHandshake(start, this.#raw, host);
    this.#abort = () => transport.close();
    yield* completeHandshake(transport, options);
    return transport;
  }

  *#runServer(stage: HandshakeStage): Generator<Wait, Transport> {
    const pending = new PendingUpgrade(this.#raw);
    const abort = stage.start(pending);
    this.#abort = (error) => pending.abort(abort, error);
    let delivered = false;
    try {
      const transport = yield* park<Transport>(pending.outcome);
      delivered = true;
      return transport;
    } finally {
      if (!delivered) pending.abort(abort);
    }
  }
}

/** The handshake of a server, and the wait for its outcome. */
class PendingUpgrade implements PendingHandshake {
  readonly raw: Transport;
  readonly outcome: Parking;
  #isOver = false;
  #completed: Transport | null = null;

  constructor(raw: Transport) {
    this.raw = raw;
    const text = `the TLS handshake with ${raw.describe()}`;
    this.outcome = new Parking(text, { external: true });
  }

  complete(transport: Transport): void {
    this.#isOver = true;
    this.#completed = transport;
    this.outcome.wake(transport);
  }

  fail(error: Error): void {
    this.#isOver = true;
    this.outcome.fail(error);
  }

  disconnected(): void {
    this.fail(new SystemError('ECONNRESET', -104, 'TLS handshake'));
  }

  /** Resets the connection with `abort`, the function of the stage, or after it has completed.
   *  `error`: for the task that waits. */
  abort(abort: () => void, error?: Error): void {
    if (!this.#isOver) abort();
    this.#completed?.reset();
    if (error !== undefined) this.fail(error);
  }
}
