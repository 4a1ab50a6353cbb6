// The responses to probes: not ready before the server listens, then ready, and not ready after the
// first signal. The server continues for `lameDuckMs`, so that a load balancer can react.
import type { Operation, Socket, SocketAddress } from 'coronet';
import { Event, group, main, pipe, sleep, tcpServer, until } from 'coronet';
import { health } from 'coronet/health';

function* echo(socket: Socket): Operation<void> {
  yield* pipe(socket, socket);
}

/** Sends the request of a probe. */
async function get(at: SocketAddress, path: string): Promise<string> {
  const response = await fetch(`http://${at}${path}`);
  return `${response.status} ${(await response.text()).trim()}`;
}

function* program(): Operation<void> {
  const opened = new Event('health listens');
  const listening = new Event('the server listens');
  let at!: SocketAddress;
  yield* group(function* (tasks): Operation<void> {
    const onListening = (address: SocketAddress): void => {
      at = address;
      opened.set();
    };
    tasks.spawn(() => health('127.0.0.1:0', { onListening }), { daemon: true });
    yield* opened.wait();
    console.log(yield* until(get(at, '/livez')));
    console.log(yield* until(get(at, '/readyz')));
    tasks.spawn(() => tcpServer('127.0.0.1:0', echo, { onListening: () => listening.set() }));
    yield* listening.wait();
    yield* sleep(0); // the program becomes ready right after `onListening`
    console.log(yield* until(get(at, '/readyz')));
    process.kill(process.pid, 'SIGTERM');
    while ((yield* until(get(at, '/readyz'))) === '200 ready') yield* sleep(5);
    console.log(yield* until(get(at, '/readyz')));
  });
}

await main(program, { lameDuckMs: 200 });

// Output:
// 200 alive
// 503 not ready
// 200 ready
// 503 stopping
