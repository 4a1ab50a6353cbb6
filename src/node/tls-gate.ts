/** The gate of a listener with TLS: a server of node:tls that never listens. */
import type { Server } from 'node:tls';
import { createServer } from 'node:tls';
import type { Gate, Passage } from '../world/gate.ts';
import type { TlsServerOptions } from '../world/tls.ts';
import type { HandshakeHome } from './tls-handshake.ts';
import { Handshake, reportOutcomes } from './tls-handshake.ts';
import { handshakeTimeoutOf, secureContext, serverOptions, usable } from './tls-options.ts';

const DEFAULT_MAX_HANDSHAKES = 256;

export class TlsGate implements Gate {
  readonly most: number;
  readonly #server: Server;
  readonly #timeoutMs: number;
  readonly #home: HandshakeHome;

  /** Throws ERR_TLS_OPTIONS. */
  constructor(options: TlsServerOptions, home: HandshakeHome) {
    const nodeOptions = serverOptions(options);
    // For its words: node:tls would complain from inside of the server's making.
    secureContext(nodeOptions, 'tls');
    const server = usable('tls', () => createServer({ ...nodeOptions, allowHalfOpen: true }));
    reportOutcomes(server);
    this.#server = server;
    this.most = options.maxHandshakes ?? DEFAULT_MAX_HANDSHAKES;
    this.#timeoutMs = handshakeTimeoutOf(options);
    this.#home = home;
  }

  begin(passage: Passage): () => void {
    const handshake = new Handshake(passage, this.#home, this.#timeoutMs);
    handshake.begin(this.#server);
    return () => handshake.giveUp();
  }
}
