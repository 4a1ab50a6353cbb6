/**
 * One handshake of a listener with TLS, from the accepted connection to a transport or a failure.
 *
 * node:tls knows connections by the server that they came in at, and tells that server what becomes
 * of them; which stream below they belong to, it does not tell. So every handshake gives it a
 * server of its own: an object whose prototype is the real server. Listeners are found through the
 * prototype and called with the handshake's own object as `this`.
 */
import type { Server, TLSSocket } from 'node:tls';
import { TimeoutError } from '../kernel/errors.ts';
import type { Passage } from '../world/gate.ts';
import type { Transport } from '../world/network.ts';
import type { CipherOwner } from './cipher-stream.ts';
import { CipherStream } from './cipher-stream.ts';
import type { TlsHome } from './tls-transport.ts';
import { hungUp, TlsTransport } from './tls-transport.ts';

/** What the handshakes of one network share. */
export interface HandshakeHome extends TlsHome {
  /** Those that are under way. */
  readonly handshakes: Set<Handshake>;
}

/** The server as one connection sees it. */
interface ServerView extends Server {
  handshake: Handshake;
}

/** Lets the handshakes of `server` hear of their outcome. */
export function reportOutcomes(server: Server): void {
  server.on('secureConnection', function (this: ServerView, socket: TLSSocket) {
    this.handshake.secured(socket);
  });
  server.on('tlsClientError', function (this: ServerView, error: Error, socket: TLSSocket) {
    this.handshake.failed(refusal(socket) ?? error);
  });
}

/** node:tls closes a connection without a word when it refuses the client's certificate. */
function refusal({ authorizationError }: TLSSocket): Error | undefined {
  if (!authorizationError) return undefined;
  const code = String((authorizationError as { code?: string }).code ?? authorizationError);
  return Object.assign(new Error(`The client's certificate was refused: ${code}`), { code });
}

export class Handshake implements CipherOwner {
  readonly #raw: Transport;
  readonly #passage: Passage;
  readonly #home: HandshakeHome;
  readonly #cipher: CipherStream;
  readonly #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(passage: Passage, home: HandshakeHome, timeoutMs: number) {
    const { raw } = passage;
    this.#raw = raw;
    this.#passage = passage;
    this.#home = home;
    home.handshakes.add(this);
    this.#cipher = new CipherStream(raw);
    this.#cipher.owner = this;
    this.#timer = armed(timeoutMs, () => {
      this.failed(new TimeoutError(timeoutMs, `the TLS handshake with ${raw.describe()}`));
    });
  }

  begin(server: Server): void {
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
    const transport = new TlsTransport(socket, this.#cipher, this.#raw, this.#home);
    transport.opened();
    this.#passage.passed(transport);
  }

  failed(error: Error & { code?: string }): void {
    if (!this.#end()) return;
    this.#raw.close();
    this.#cipher.destroy();
    this.#passage.failed(error);
  }

  /** The listener is closed, or the network. */
  giveUp(): void {
    if (!this.#end()) return;
    this.#raw.reset();
    this.#cipher.destroy();
  }

  /** In its own time: an alert among the last bytes says more than the end. */
  rawEnded(cause: unknown): void {
    setImmediate(() => {
      this.failed((cause as Error | undefined) ?? hungUp('TLS handshake', this.#raw.remote));
    });
  }

  /** The peer's last words decide. */
  rawSendFailed(): void {}

  flushed(): void {}

  #end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.#home.handshakes.delete(this);
    clearTimeout(this.#timer);
    return true;
  }
}

/** The longest delay of Node's timers: 24 days are as good as for ever. */
const LONGEST_MS = 2 ** 31 - 1;

function armed(ms: number, call: () => void): NodeJS.Timeout | undefined {
  return ms > LONGEST_MS ? undefined : setTimeout(call, Math.ceil(ms)).unref();
}
