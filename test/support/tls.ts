/** Helpers for tests with TLS: the certificates in certificates/, and connected pairs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type {
  Listener,
  Operation,
  Socket,
  SocketAddress,
  TlsClientOptions,
  TlsServerOptions,
} from '../../src/index.ts';
import { connect, group, listen, toDuplex } from '../../src/index.ts';
import type { TestBackend } from './backends.ts';
import { LOOPBACK } from './sockets.ts';

const FOLDER = fileURLToPath(new URL('./certificates/', import.meta.url));

/** A certificate or key in certificates/, as text. */
export function pem(name: string): string {
  return readFileSync(join(FOLDER, `${name}.pem`), 'utf8');
}

interface Identity {
  readonly cert: string;
  readonly key: string;
}

function identity(name: string): Identity {
  return { cert: pem(`${name}.cert`), key: pem(`${name}.key`) };
}

export const CA: string = pem('ca.cert');
export const SERVER: Identity = identity('server');
export const SECOND: Identity = identity('second');
/** With an RSA key; the others have EC keys. */
export const RSA: Identity = identity('rsa');
export const CLIENT: Identity = identity('client');
export const EXPIRED: Identity = identity('expired');
export const SELF: Identity = identity('self');

/** The options of a client that trusts the servers above. */
export const TRUSTING: TlsClientOptions = { ca: CA };

/** Options of server and client that differ from the defaults. */
export interface Sides {
  readonly server?: Partial<TlsServerOptions>;
  readonly client?: Partial<TlsClientOptions>;
}

/** Runs `body` with a TLS listener, and closes it. */
export function* withListener<T>(
  body: (listener: Listener) => Operation<T>,
  options: Partial<TlsServerOptions> = {},
): Operation<T> {
  using listener = yield* listen(LOOPBACK, { tls: { ...SERVER, ...options } });
  return yield* body(listener);
}

/** Connects to such a listener. */
export function connectTo(
  address: SocketAddress,
  options: Partial<TlsClientOptions> = {},
): Operation<Socket> {
  return connect(address, { tls: { ...TRUSTING, ...options } });
}

/** Connects to `listener` and accepts the connection at the same time. */
export function* securePair(
  listener: Listener,
  options: Partial<TlsClientOptions> = {},
): Operation<readonly [near: Socket, far: Socket]> {
  return yield* group(function* (tasks): Operation<readonly [Socket, Socket]> {
    const accepting = tasks.spawn(() => listener.accept());
    const near = yield* connectTo(listener.address, options);
    return [near, yield* accepting.join()];
  });
}

/** Runs `body` with both ends of a TLS connection, and closes them. */
export function withSecurePair<T>(
  body: (near: Socket, far: Socket) => Operation<T>,
  { server = {}, client = {} }: Sides = {},
): Operation<T> {
  return withListener(function* (listener): Operation<T> {
    const [near, far] = yield* securePair(listener, client);
    try {
      return yield* body(near, far);
    } finally {
      near.close();
      far.close();
    }
  }, server);
}

/** Runs `body` on `backend` with both ends of a TLS connection. */
export function onSecurePair<T>(
  backend: TestBackend,
  body: (near: Socket, far: Socket) => Operation<T>,
): Promise<T> {
  return backend.run(() => withSecurePair(body));
}

/** A connection whose near end is node:tls over a plain socket, which a test can close. */
export interface ForeignPair {
  readonly raw: Socket;
  readonly foreign: TLSSocket;
  readonly far: Socket;
}

/** Runs `body` with such a connection, and closes it. */
export function withForeignClient<T>(
  body: (pair: ForeignPair) => Operation<T>,
  options: Partial<TlsServerOptions> = {},
): Operation<T> {
  return withListener(function* (listener): Operation<T> {
    using raw = yield* connect(listener.address);
    const foreign = connectTls({ socket: toDuplex(raw), ca: CA, host: '127.0.0.1' });
    foreign.on('error', () => {}); // Tests close the connection below it.
    using far = yield* listener.accept();
    try {
      return yield* body({ raw, foreign, far });
    } finally {
      foreign.destroy();
    }
  }, options);
}
