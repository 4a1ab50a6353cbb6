/**
 * TLS handshakes of a listener, from the accepted connection to a transport or a failure.
 *
 * node:tls emits the result of a handshake on the server that it was started with, and does not
 * report the stream below. So each handshake is started with a server object of its own, whose
 * prototype is the real server. Listeners are found through the prototype and called with the
 * object of the handshake as `this`.
 */
import type { SecureContext, Server, TLSSocket } from 'node:tls';
import { TimeoutError } from '../../kernel/errors.ts';
import type { HandshakeStage, PendingHandshake } from '../../world/handshake.ts';
import type { Transport } from '../../world/network.ts';
import type { TlsServerOptions } from '../../world/tls.ts';
import { connectionReset } from '../stream/stream-transport.ts';
import { clearTimeout, setImmediate, setTimeout } from '../timers.ts';
import type { CipherOwner } from './cipher-stream.ts';
import { CipherStream } from './cipher-stream.ts';
import { peekServername } from './client-hello.ts';
import type { TlsLayer } from './layer.ts';
import {
  handshakeTimeoutOf,
  identityFor,
  namedIdentities,
  secureContext,
  serverOptions,
  withPlainErrors,
} from './options.ts';
import { hasCertificate, NO_CERTIFICATE, TlsTransport } from './transport.ts';

/** The default of `maxHandshakes`. */
export const DEFAULT_MAX_HANDSHAKES = 256;

/** OpenSSL resumes no session of a client with a certificate without one (`sessionIdContext`). */
const SESSION_ID_CONTEXT = 'coronet';

/** The longest delay of a timer of Node (24 days). A longer timeout is the same as none. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The handshake stage of a TLS listener: a server of node:tls that never listens. */
export class TlsHandshakeStage implements HandshakeStage {
  readonly maxPending: number;
  readonly #server: Server;
  /** The contexts of `options.contexts`, by name. */
  readonly #identities: ReadonlyMap<string, SecureContext>;
  readonly #timeoutMs: number;
  readonly #layer: TlsLayer;

  /** Throws ERR_TLS_OPTIONS. */
  constructor(options: TlsServerOptions, layer: TlsLayer) {
    this.#identities = namedIdentities(options, (own, where) =>
      secureContext({ sessionIdContext: SESSION_ID_CONTEXT, ...own }, where),
    );
    const nodeOptions = serverOptions(options, this.#identities);
    // Checks the options first: the error of `createServer` would not name the option.
    secureContext(nodeOptions, 'tls');
    const server = withPlainErrors('tls', () =>
      process.getBuiltinModule('node:tls').createServer({ ...nodeOptions, allowHalfOpen: true }),
    );
    const { requestCert = false, rejectUnauthorized = true } = options;
    reportOutcomes(server, requestCert && rejectUnauthorized);
    this.#server = server;
    this.maxPending = options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES;
    this.#timeoutMs = handshakeTimeoutOf(options);
    this.#layer = layer;
  }

  start(pending: PendingHandshake): () => void {
    const handshake = new TlsHandshake(pending, this.#layer, this.#timeoutMs);
    handshake.start(this.#server, this.#identities);
    return () => handshake.abort();
  }
}

export class TlsHandshake implements CipherOwner {
  readonly #raw: Transport;
  readonly #pending: PendingHandshake;
  readonly #layer: TlsLayer;
  readonly #cipher: CipherStream;
  readonly #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(pending: PendingHandshake, layer: TlsLayer, timeoutMs: number) {
    const { raw } = pending;
    this.#raw = raw;
    this.#pending = pending;
    this.#layer = layer;
    layer.handshakes.add(this);
    this.#cipher = new CipherStream(raw);
    this.#cipher.owner = this;
    this.#timer = startTimer(timeoutMs, () => {
      this.failed(new TimeoutError(timeoutMs, `the TLS handshake with ${raw.describe()}`));
    });
  }

  start(server: Server, identities: ReadonlyMap<string, SecureContext>): void {
    if (identities.size === 0) return this.#begin(server, undefined);
    peekServername(this.#cipher, (servername) => {
      this.#begin(server, identityFor(identities, servername));
    });
  }

  /** `identity`: the context for the name that the client requests; `undefined`: the listener's. */
  #begin(server: Server, identity: SecureContext | undefined): void {
    if (this.#over) return;
    const view: ServerView = Object.create(server);
    view.handshake = this;
    if (identity !== undefined) view._sharedCreds = identity;
    try {
      view.emit('connection', this.#cipher);
    } catch (error) {
      this.failed(error as Error);
    }
  }

  secured(socket: TLSSocket): void {
    if (!this.#end()) return void socket.destroy();
    const transport = new TlsTransport(socket, this.#cipher, this.#raw, this.#layer);
    transport.opened();
    this.#pending.complete(transport);
  }

  failed(error: Error & { code?: string }): void {
    if (!this.#end()) return;
    this.#raw.close();
    this.#cipher.destroy();
    this.#pending.fail(error);
  }

  /** Resets the connection without an outcome. Called when the listener or the network closes. */
  abort(): void {
    if (!this.#end()) return;
    this.#raw.reset();
    this.#cipher.destroy();
  }

  /** Deferred: if the last bytes contain an alert, the alert is reported instead of the end. */
  rawEnded(cause: unknown): void {
    setImmediate(() => {
      this.failed((cause ?? connectionReset('TLS handshake', this.#raw.remote)) as Error);
    });
  }

  /** Ignored: pending input may still contain the peer's alert. */
  rawSendFailed(): void {}

  flushed(): void {}

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#layer.handshakes.delete(this);
    clearTimeout(this.#timer);
    return true;
  }
}

/** The server object of one handshake. */
interface ServerView extends Server {
  handshake: TlsHandshake;
  /** The context of the engine. Undocumented; without it, an SNICallback selects the identity. */
  _sharedCreds?: SecureContext;
}

/** Passes the results of handshakes that `server` emits to the handshakes. */
function reportOutcomes(server: Server, requiresCertificate: boolean): void {
  server.on('secureConnection', function (this: ServerView, socket: TLSSocket) {
    if (!requiresCertificate || hasCertificate(socket)) return this.handshake.secured(socket);
    this.handshake.failed(certificateRejected(NO_CERTIFICATE));
    socket.destroy();
  });
  server.on('tlsClientError', function (this: ServerView, error: Error, socket: TLSSocket) {
    this.handshake.failed(certificateError(socket) ?? error);
  });
}

/** node:tls reports no error when it rejects the certificate of a client. */
function certificateError({ authorizationError }: TLSSocket): Error | undefined {
  if (!authorizationError) return undefined;
  const code = String((authorizationError as { code?: string }).code ?? authorizationError);
  return certificateRejected(code);
}

/** The error of a handshake in which a listener has rejected the certificate of a client. */
export function certificateRejected(code: string): Error & { readonly code: string } {
  return Object.assign(new Error(`The certificate of the client was rejected: ${code}`), { code });
}

/** Calls `call` after `ms` milliseconds; does not keep the process alive. */
export function startTimer(ms: number, call: () => void): NodeJS.Timeout | undefined {
  return ms > MAX_TIMER_MS ? undefined : setTimeout(call, Math.ceil(ms)).unref();
}
