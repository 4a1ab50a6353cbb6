/** `tcpServer` and `serve`: accept for ever, a task for every connection. */
import type { Group } from '../kernel/group.ts';
import { group } from '../kernel/group.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import type { Scope } from '../kernel/scope.ts';
import { sleep } from '../kernel/waits.ts';
import { scope } from '../kernel/with-scope.ts';
import type { Address } from '../net/address.ts';
import { checkListenAddress } from '../net/address.ts';
import { listen, listenOptions } from '../net/listen.ts';
import type { Listener } from '../net/listener.ts';
import type { Socket } from '../net/socket.ts';
import { checkTlsServer } from '../net/tls-options.ts';
import { currentNetwork, currentWorld } from '../net/world.ts';
import { connection } from './connection.ts';
import type { Handler, ServerOptions } from './server.ts';
import { checkServer, ServerRecord } from './server.ts';

/**
 * What has been sent before a drain counts as received. A network that hears of it only in the
 * event loop is given this long to hear.
 */
const SETTLE_MS = 10;

/**
 * A program that is replaced by a successor is in no hurry: clients that it has accepted last have
 * so long for their first bytes, since they count as idle before.
 */
const HANDOVER_MS = 200;

/** TLS handshakes that are under way when the server is stopped have so long to complete: a silent
 *  client must not hold it up. */
const LAST_HANDSHAKES_MS = 1000;

/** Accepting pauses for this long when there is no descriptor left; twice as long each time. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 1000;

/**
 * Listens at `address` and serves every connection with `handler`, in a task of its own. Returns
 * when the server has been stopped and the last connection has ended.
 *
 * Cancel: the listener is closed, every handler is cancelled and has unwound before Cancelled goes
 * on.
 * Errors: those of `listen`; what `onListening` throws.
 */
export function tcpServer(
  address: Address,
  handler: Handler,
  options: ServerOptions = {},
): Operation<void> {
  checkListenAddress(address);
  checkServer(handler, options);
  if (options.tls !== undefined) checkTlsServer(options.tls);
  return new Lazy(function* (): Generator<Wait, void> {
    yield* serve(yield* listen(address, listenOptions(options)), handler, options);
  });
}

/** As `tcpServer`, on a listener that is open already. The listener is closed at the end. */
export function serve(
  listener: Listener,
  handler: Handler,
  options: ServerOptions = {},
): Operation<void> {
  checkServer(handler, options);
  return new Lazy(() => runServe(listener, handler, options));
}

function* runServe(
  listener: Listener,
  handler: Handler,
  options: ServerOptions,
): Generator<Wait, void> {
  try {
    yield* scope((own) => serveInside(own, listener, handler, options));
  } finally {
    currentWorld().program?.serverEnds(listener.address);
    listener.close();
  }
}

function* serveInside(
  own: Scope,
  listener: Listener,
  handler: Handler,
  options: ServerOptions,
): Generator<Wait, void> {
  const server = new ServerRecord(listener, options, own);
  options.onListening?.(server);
  currentWorld().program?.serverListens(server);
  yield* group(
    function* (tasks) {
      tasks.spawn(() => drainWhenStopped(server, own, tasks, handler), {
        name: 'drain',
        daemon: true,
      });
      yield* acceptAll(server, tasks, handler);
    },
    { name: `server ${listener.address}` },
  );
}

function* acceptAll(server: ServerRecord, tasks: Group, handler: Handler): Generator<Wait, void> {
  for (;;) {
    const socket = yield* nextConnection(server);
    if (socket === undefined) return;
    begin(server, socket, tasks, handler);
  }
}

function begin(server: ServerRecord, socket: Socket, tasks: Group, handler: Handler): void {
  server.add(socket);
  tasks.spawn(() => connection(server, socket, handler), { name: socket.remoteAddress });
}

/** The next connection; `undefined` once the listener has been closed. */
function* nextConnection(server: ServerRecord): Generator<Wait, Socket | undefined> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
    try {
      return yield* server.listener.accept();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ERR_CLOSED') return undefined;
      if (!isShortage(code)) throw error;
      noteShortage(server, String(code));
    }
    yield* sleep(pauseMs);
  }
}

/** The system has nothing left to give. The connection stays queued; it will be there later. */
function isShortage(code: unknown): boolean {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOBUFS' || code === 'ENOMEM';
}

function noteShortage(server: ServerRecord, code: string): void {
  if (server.acceptPauses++ > 0) return;
  currentWorld().platform.report(
    `coronet: ${code}: the server at ${server.address} pauses accepting until descriptors or ` +
      'memory are free again. See `ulimit -n`; this is said once.',
  );
}

/** The soft end: take what is queued, close the door, let idle connections go. */
function* drainWhenStopped(
  server: ServerRecord,
  own: Scope,
  tasks: Group,
  handler: Handler,
): Generator<Wait, void> {
  yield* own.waitStopping();
  for (let socket = queued(server); socket !== undefined; socket = queued(server)) {
    begin(server, socket, tasks, handler);
  }
  if (server.listener.tls === undefined) server.listener.close();
  else server.listener.tls.finish();
  if (currentNetwork().poll() < 0) yield* sleep(SETTLE_MS);
  if (currentWorld().program?.replaced === true) yield* sleep(HANDOVER_MS);
  server.drain();
  if (server.listener.tls !== undefined) yield* sleep(LAST_HANDSHAKES_MS);
  server.listener.close();
}

function queued(server: ServerRecord): Socket | undefined {
  try {
    return server.listener.tryAccept();
  } catch {
    return undefined;
  }
}
