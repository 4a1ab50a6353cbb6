/** What a server is to the outside: its address, its figures, its end. And its options. */
import { checkDuration, wrongType } from '../kernel/checks.ts';
import type { Operation } from '../kernel/operation.ts';
import type { Scope } from '../kernel/scope.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Listener } from '../net/listener.ts';
import type { Socket } from '../net/socket.ts';
import { currentNetwork } from '../net/world.ts';
import type { ListenOptions } from '../world/network.ts';

/** Serves one connection: runs in a task of its own, and the connection ends when it does. */
export type Handler = (socket: Socket, peer: SocketAddress) => Operation<unknown>;

/** What `tcpServer` and `serve` can be told. */
export interface ServerOptions extends ListenOptions {
  /** Called once, before the first connection is accepted. What it throws ends the server. */
  onListening?(server: Server): void;
  /** A handler failed. Default: one line on standard error. Resets by peers are only counted. */
  onError?(error: unknown, peer: SocketAddress): void;
  /**
   * How long the end of a connection waits for the peer to finish, in milliseconds. Default 2000.
   */
  lingerMs?: number;
}

/** Figures of a server since it began. */
export interface ServerStats {
  /** The network it runs on: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  readonly accepted: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Handlers that failed, without those whose peer had reset the connection. */
  readonly failed: number;
  /** Handlers that ended because the peer had reset the connection. */
  readonly resetByPeer: number;
  /** How often accepting had to pause because the system had no descriptor left. */
  readonly acceptPauses: number;
}

/** A running server, as `onListening` gets it. */
export interface Server {
  readonly address: SocketAddress;
  /** The network it runs on: 'epoll', 'portable', 'sim'. */
  readonly backend: string;
  stats(): ServerStats;
  /**
   * Drains: what waits to be accepted is accepted, the listener is closed, idle connections get end
   * of file at `recv`, busy ones once they have answered. What is left after `graceMs` is cut.
   */
  stop(options?: { readonly graceMs?: number }): void;
}

const DEFAULT_LINGER_MS = 2000;

/** What serve, accept and connection share. */
export class ServerRecord implements Server {
  readonly listener: Listener;
  readonly options: ServerOptions;
  readonly lingerMs: number;
  readonly backend: string;
  /** The scope of the server: stopping it is stopping the server. */
  readonly #scope: Scope;
  /** Open connections, for the drain. */
  readonly #open = new Set<Socket>();
  #draining = false;
  accepted = 0;
  failed = 0;
  resetByPeer = 0;
  acceptPauses = 0;

  constructor(listener: Listener, options: ServerOptions, scope: Scope) {
    this.listener = listener;
    this.options = options;
    this.lingerMs = options.lingerMs ?? DEFAULT_LINGER_MS;
    this.backend = currentNetwork().backend;
    this.#scope = scope;
  }

  get address(): SocketAddress {
    return this.listener.address;
  }

  stop(options: { readonly graceMs?: number } = {}): void {
    this.#scope.stop(options);
  }

  stats(): ServerStats {
    const { backend, accepted, failed, resetByPeer, acceptPauses } = this;
    const open = this.#open.size;
    return Object.freeze({ backend, accepted, open, failed, resetByPeer, acceptPauses });
  }

  add(socket: Socket): void {
    this.accepted++;
    this.#open.add(socket);
    if (this.#draining) socket.drain();
  }

  remove(socket: Socket): void {
    this.#open.delete(socket);
  }

  /** From now on, idle connections have come to their end. */
  drain(): void {
    this.#draining = true;
    for (const socket of this.#open) socket.drain();
  }
}

/** Throws for options that can be seen to be wrong. */
export function checkServer(handler: unknown, options: ServerOptions): void {
  if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler);
  if (options.lingerMs !== undefined) checkDuration('lingerMs', options.lingerMs);
}
