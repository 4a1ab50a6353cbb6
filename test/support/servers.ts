/** What the cases about servers share. */
import type { Handler, Operation, Server, ServerOptions, Task } from '../../src/index.ts';
import { connect, GroupError, group, tcpServer } from '../../src/index.ts';
import { eventually, LOOPBACK, receiveText } from './sockets.ts';

/** A server and the task that it runs in. */
export interface Running {
  readonly server: Server;
  readonly serving: Task<void>;
}

/** Runs `body` beside a server, and cancels what is left of the server then. */
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
      lingerMs: 10_000, // on a machine that is busy, half a second is no time
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

/** Sends `text` and waits for the whole answer, up to the end of file. */
export function* ask(server: Server, text: string): Operation<string> {
  using socket = yield* connect(server.address);
  yield* socket.sendAll(text);
  socket.shutdown('send');
  return yield* receiveText(socket);
}

/** Why connections of `server` have ended, without the causes that there were none of. */
export function endings(server: Server): Record<string, number> {
  const { closed } = server.stats();
  return Object.fromEntries(Object.entries(closed).filter(([, count]) => count > 0));
}

/** Waits until no connection of `server` is open. */
export function* untilNobodyIsLeft(server: Server): Operation<void> {
  yield* eventually('every connection has ended', () => server.stats().open === 0);
}
