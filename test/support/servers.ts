/** Helpers for tests of servers. */
import type { Handler, Operation, Server, ServerOptions, Task } from '../../src/index.ts';
import { connect, GroupError, group, tcpServer } from '../../src/index.ts';
import { eventually, LOOPBACK, receiveText } from './sockets.ts';

/** A server and the task that it runs in. */
export interface Running {
  readonly server: Server;
  readonly serving: Task<void>;
}

/** Runs `body` while a server listens on loopback, then cancels the server. */
export function* withServer<T>(
  handler: Handler,
  body: (server: Server, serving: Task<void>) => Operation<T>,
  options: ServerOptions = {},
): Operation<T> {
  try {
    return yield* group(function* (tasks): Operation<T> {
      const { server, serving } = yield* begin(tasks, handler, options);
      const value = yield* body(server, serving);
      serving.cancel();
      return value;
    });
  } catch (error) {
    throw error instanceof GroupError ? error.errors[0] : error;
  }
}

function* begin(
  tasks: Parameters<Parameters<typeof group>[0]>[0],
  handler: Handler,
  options: ServerOptions,
): Operation<Running> {
  let server: Server | undefined;
  const serving = tasks.spawn(() =>
    tcpServer(LOOPBACK, handler, {
      lingerMs: 10_000, // enough on a busy machine
      ...options,
      onListening(listening) {
        server = listening;
        options.onListening?.(listening);
      },
    }),
  );
  yield* eventually('the server listens', () => server !== undefined);
  return { server: server as unknown as Server, serving };
}

/** Sends `text` and returns the whole response, up to end of file. */
export function* ask(server: Server, text: string): Operation<string> {
  using socket = yield* connect(server.address);
  yield* socket.sendAll(text);
  socket.shutdown('send');
  return yield* receiveText(socket);
}

/** The numbers of closed connections by reason, without those that are 0. */
export function closeReasons(server: Server): Record<string, number> {
  const { closed } = server.stats();
  return Object.fromEntries(Object.entries(closed).filter(([, count]) => count > 0));
}

/** Waits until no connection of `server` is open. */
export function* untilAllClosed(server: Server): Operation<void> {
  yield* eventually('every connection has ended', () => server.stats().open === 0);
}
