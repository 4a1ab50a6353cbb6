/**
 * TLS of listeners on the native engine: the contexts, the check of the client's certificate, and
 * the handshake stage.
 */
import type { SecureContextOptions } from 'node:tls';
import { TimeoutError } from '../../../kernel/errors.ts';
import type { ReadinessWaiter } from '../../../kernel/readiness.ts';
import type { HandshakeStage, PendingHandshake } from '../../../world/handshake.ts';
import type { TlsServerOptions } from '../../../world/tls.ts';
import type { Addon } from '../../addon.ts';
import { clearTimeout } from '../../timers.ts';
import { certificateRejected, DEFAULT_MAX_HANDSHAKES, startTimer } from '../../tls/handshake.ts';
import {
  handshakeTimeoutOf,
  identityFor,
  namedIdentities,
  serverContextOptions,
} from '../../tls/options.ts';
import { EpollTransport } from '../transport.ts';
import type { NativeContext } from './context.ts';
import { makeContext, protocolList } from './context.ts';
import type { NativeTlsInfo } from './info.ts';
import { StepBudget } from './step-budget.ts';
import type { TlsRole } from './transport.ts';
import { EpollTlsTransport } from './transport.ts';

/**
 * The role in the connections of a listener. `undefined`: left to node:tls, because a context
 * cannot be used, or because the program chooses the context of a connection (SNICallback): one
 * that this module did not make is opaque to the addon.
 */
export function serverRole(addon: Addon, options: TlsServerOptions): TlsRole | undefined {
  if (options.SNICallback !== undefined) return undefined;
  const context = ownContext(addon, options);
  const identities = namedIdentities(options, (own, where) =>
    makeContext(addon, own, { flags: addon.constants.TLS_SERVER, where }),
  );
  if (context === undefined || [...identities.values()].includes(undefined)) return undefined;
  return {
    context,
    servername: '',
    isClient: false,
    choose: (name) => identityFor(identities, name),
    checkPeer: (info) => checkClient(info, options),
  };
}

function ownContext(addon: Addon, options: TlsServerOptions): NativeContext | undefined {
  const { TLS_SERVER, REQUEST_CERTIFICATE, REQUIRE_CERTIFICATE, CHOOSE_CERTIFICATE } =
    addon.constants;
  const { requestCert = false, rejectUnauthorized = true, contexts } = options;
  const flags =
    TLS_SERVER |
    (requestCert ? REQUEST_CERTIFICATE : 0) |
    (requestCert && rejectUnauthorized ? REQUIRE_CERTIFICATE : 0) |
    (contexts === undefined ? 0 : CHOOSE_CERTIFICATE);
  const protocols = protocolList(options);
  const own = withServerDefaults(serverContextOptions(options));
  return makeContext(addon, own, { flags, protocols, where: 'tls' });
}

/** The defaults of `tls.Server`: the server's order of ciphers, sessions of this program only. */
function withServerDefaults(options: SecureContextOptions): SecureContextOptions {
  const { createHash } = process.getBuiltinModule('node:crypto');
  const program = createHash('sha1').update(process.argv.join(' ')).digest('hex');
  return { honorCipherOrder: true, sessionIdContext: program.slice(0, 32), ...options };
}

function checkClient(
  info: NativeTlsInfo,
  { requestCert = false, rejectUnauthorized = true }: TlsServerOptions,
): void {
  if (!requestCert) return;
  const { certificateError } = info;
  info.authorized = certificateError === undefined;
  if (certificateError === undefined) return;
  info.authorizationError = certificateError.code;
  if (rejectUnauthorized) throw certificateRejected(certificateError.code);
}

export class NativeHandshakeStage implements HandshakeStage {
  readonly maxPending: number;
  readonly #role: TlsRole;
  readonly #timeoutMs: number;
  readonly #steps = new StepBudget();
  readonly #makeLayered: () => HandshakeStage;
  #layered: HandshakeStage | undefined;

  /** `makeLayered` creates the stage for connections that are streams of Node. */
  constructor(role: TlsRole, options: TlsServerOptions, makeLayered: () => HandshakeStage) {
    this.#role = role;
    this.#makeLayered = makeLayered;
    this.maxPending = options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES;
    this.#timeoutMs = handshakeTimeoutOf(options);
  }

  start(pending: PendingHandshake): () => void {
    const { raw } = pending;
    if (!(raw instanceof EpollTransport)) {
      this.#layered ??= this.#makeLayered();
      return this.#layered.start(pending);
    }
    let transport: EpollTlsTransport;
    try {
      transport = new EpollTlsTransport(raw, this.#role);
    } catch (error) {
      pending.fail(error as Error); // no memory
      return () => {};
    }
    const handshake = new NativeHandshake(pending, transport, this.#steps);
    handshake.start(this.#timeoutMs);
    return () => handshake.abort();
  }
}

/** The handshake of one connection: the waiter of its transport until it is complete. */
class NativeHandshake implements ReadinessWaiter {
  readonly #pending: PendingHandshake;
  readonly #transport: EpollTlsTransport;
  readonly #steps: StepBudget;
  #timer: NodeJS.Timeout | undefined = undefined;
  #over = false;

  constructor(pending: PendingHandshake, transport: EpollTlsTransport, steps: StepBudget) {
    this.#pending = pending;
    this.#transport = transport;
    this.#steps = steps;
  }

  start(timeoutMs: number): void {
    this.#timer = startTimer(timeoutMs, () => {
      const what = `the TLS handshake with ${this.#transport.describe()}`;
      this.#fail(new TimeoutError(timeoutMs, what));
    });
    // The client sends first, and an event reports its bytes unless it has done so already.
    if (this.#transport.canRecv) this.notify();
    else this.#transport.sendWaiter = this;
  }

  /** The connection is readable. */
  notify(): void {
    this.#steps.run(() => this.#step());
  }

  #step(): void {
    const transport = this.#transport;
    if (this.#over) return;
    try {
      if (!transport.tryConnect()) {
        transport.sendWaiter = this;
        return;
      }
    } catch (error) {
      return this.#fail(error as Error);
    }
    this.#stop();
    this.#pending.complete(transport);
  }

  #fail(error: Error & { readonly code?: string }): void {
    this.#stop();
    this.#transport.close(); // Also sends an alert that is not sent yet.
    this.#pending.fail(error);
  }

  /** The network is closed, and with it the connection: there is no outcome. */
  reject(): void {
    this.#stop();
  }

  abort(): void {
    this.#stop();
    this.#transport.reset();
  }

  #stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#transport.sendWaiter = null;
  }
}
