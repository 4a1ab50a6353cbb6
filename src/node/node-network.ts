/** The part of a network that both backends have in common: host names, TLS, and system limits. */
import type { LookupAddress } from 'node:dns';
import type { HandshakeStage } from '../world/handshake.ts';
import type { NetworkLimits, TlsClient } from '../world/network.ts';
import type { TlsClientOptions, TlsServerOptions } from '../world/tls.ts';
import { readLimits, readListenOverflows } from './process/limits.ts';
import { removeStaleFile, socketFileAt } from './process/unix-socket.ts';
import { TlsLayer } from './tls/layer.ts';

/** One address of a name. */
interface ResolvedHost {
  readonly host: string;
  readonly family: 4 | 6;
}

/**
 * Called once, asynchronously, with the addresses in the order in which to try them, or with the
 * error.
 */
type ResolveDone = (error: unknown, hosts: readonly ResolvedHost[]) => void;

export abstract class NodeNetwork {
  protected readonly tls: TlsLayer = new TlsLayer();

  tlsClient(options: TlsClientOptions): TlsClient {
    return this.tls.client(options);
  }

  tlsServer(options: TlsServerOptions): HandshakeStage {
    return this.tls.server(options);
  }

  get closing(): number {
    return this.tls.lingering.size;
  }

  /**
   * Resolves `host` as getaddrinfo(3) does, hosts file included, in the order of the resolver
   * (which has sorted by RFC 6724). Errors are those of Node: ENOTFOUND, EAI_AGAIN.
   *
   * The returned function cancels: `done` is not called any more. The lookup itself cannot be
   * stopped; it ends on a thread of libuv, and its result is dropped.
   */
  resolve(host: string, done: ResolveDone): () => void {
    const { lookup } = process.getBuiltinModule('node:dns');
    let pending = true;
    lookup(host, { all: true, verbatim: true }, (error, addresses) => {
      if (!pending) return;
      pending = false;
      if (error !== null) done(error, []);
      else done(undefined, addresses.map(toHost));
    });
    return () => {
      pending = false;
    };
  }

  socketFile(path: string): (() => void) | undefined {
    const file = socketFileAt(path);
    return file && (() => removeStaleFile(file));
  }

  limits(): NetworkLimits {
    return readLimits();
  }

  listenOverflows(): number | undefined {
    return readListenOverflows();
  }
}

function toHost({ address, family }: LookupAddress): ResolvedHost {
  return { host: address, family: family === 6 ? 6 : 4 };
}
