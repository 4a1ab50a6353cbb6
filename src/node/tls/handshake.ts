/**
 * One handshake of a listener with TLS, from the accepted connection to a transport or a failure.
 *
 * node:tls knows connections by the server that they came in at, and tells that server what becomes
 * of them; which stream below they belong to, it does not tell. So every handshake gives it a
 * server of its own: an object whose prototype is the real server. Listeners are found through the
 * prototype and called with the handshake's own object as `this`.
 */
import type { Server, TLSSocket } from 'node:tls';
import { createServer } from 'node:tls';
import { TimeoutError } from '../../kernel/errors.ts';
import type { HandshakeStage, PendingHandshake } from '../../world/handshake.ts';
import type { Transport } from '../../world/network.ts';
import type { TlsServerOptions } from '../../world/tls.ts';
import { connectionReset } from '../stream/stream-transport.ts';
import type { CipherOwner } from './cipher-stream.ts';
import { CipherStream } from './cipher-stream.ts';
import { handshakeTimeoutOf, secureContext, serverOptions, withPlainErrors } from './options.ts';
import type { TlsTransportContext } from './transport.ts';
import { TlsTransport } from './transport.ts';

/** What the handshakes of one network share. */
export interface HandshakeContext extends TlsTransportContext {
  /** Those that are under way. */
  readonly handshakes: Set<TlsHandshake>;
}

/** The server as one connection sees it. */
interface ServerView extends Server {
  handshake: TlsHandshake;
}

/** Lets the handshakes of `server` hear of their outcome. */
export function reportOutcomes(server: Server): void {
  server.on('secureConnection', function (this: ServerView, socket: TLSSocket) {
    this.handshake.secured(socket);
  });
  server.on('tlsClientError', function (this: ServerView, error: Error, socket: TLSSocket) {
    this.handshake.failed(certificateError(socket) ?? error);
  });
}

/** node:tls closes a connection without a word when it refuses the client's certificate. */
function certificateError({ authorizationError }: TLSSocket): Error | undefined {
  if (!authorizationError) return undefined;
  const code = String((authorizationError as { code?: string }).code ?? authorizationError);
  return Object.assign(new Error(`The client's certificate was refused: ${code}`), { code });
}

export class TlsHandshake implements CipherOwner {
  readonly #raw: Transport;
  readonly #pending: PendingHandshake;
  readonly #context: HandshakeContext;
  readonly #cipher: CipherStream;
  readonly #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(passage: PendingHandshake, home: HandshakeContext, timeoutMs: number) {
    const { raw } = passage;
    this.#raw = raw;
    this.#pending = passage;
    this.#context = home;
    home.handshakes.add(this);
    this.#cipher = new CipherStream(raw);
    this.#cipher.owner = this;
    this.#timer = startTimer(timeoutMs, () => {
      this.failed(new TimeoutError(timeoutMs, `the TLS handshake with ${raw.describe()}`));
    });
  }

  start(server: Server): void {
    const view: ServerView = Object.create(server);
    view.handshake = this;
    try {
      view.emit('connection', this.#cipher);
    } catch (error) {
      this.failed(error as Error);
    }
  }

  secured(socket: TLSSocket): void {
    if (!this.#end()) return void socket.destroy();
    const transport = new TlsTransport(socket, this.#cipher, this.#raw, this.#context);
    transport.opened();
    this.#pending.complete(transport);
  }

  failed(error: Error & { code?: string }): void {
    if (!this.#end()) return;
    this.#raw.close();
    this.#cipher.destroy();
    this.#pending.fail(error);
  }

  /** The listener is closed, or the network. */
  abort(): void {
    if (!this.#end()) return;
    this.#raw.reset();
    this.#cipher.destroy();
  }

  /** In its own time: an alert among the last bytes says more than the end. */
  rawEnded(cause: unknown): void {
    setImmediate(() => {
      this.failed(
        (cause as Error | undefined) ?? connectionReset('TLS handshake', this.#raw.remote),
      );
    });
  }

  /** The peer's last words decide. */
  rawSendFailed(): void {}

  flushed(): void {}

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#context.handshakes.delete(this);
    clearTimeout(this.#timer);
    return true;
  }
}

/** The longest delay of Node's timers: 24 days are as good as for ever. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function startTimer(ms: number, call: () => void): NodeJS.Timeout | undefined {
  return ms > MAX_TIMER_MS ? undefined : setTimeout(call, Math.ceil(ms)).unref();
}

/** The gate of a listener with TLS: a server of node:tls that never listens. */

const DEFAULT_MAX_HANDSHAKES = 256;

export class TlsHandshakeStage implements HandshakeStage {
  readonly maxPending: number;
  readonly #server: Server;
  readonly #timeoutMs: number;
  readonly #context: HandshakeContext;

  /** Throws ERR_TLS_OPTIONS. */
  constructor(options: TlsServerOptions, home: HandshakeContext) {
    const nodeOptions = serverOptions(options);
    // For its words: node:tls would complain from inside of the server's making.
    secureContext(nodeOptions, 'tls');
    const server = withPlainErrors('tls', () =>
      createServer({ ...nodeOptions, allowHalfOpen: true }),
    );
    reportOutcomes(server);
    this.#server = server;
    this.maxPending = options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES;
    this.#timeoutMs = handshakeTimeoutOf(options);
    this.#context = home;
  }

  start(passage: PendingHandshake): () => void {
    const handshake = new TlsHandshake(passage, this.#context, this.#timeoutMs);
    handshake.start(this.#server);
    return () => handshake.abort();
  }
}
