/** A server that stores items, and a client that sends an item until the server confirms it. */
import type { Address, Operation, Socket } from 'coronet';
import { connect, retry, timeout } from 'coronet';

/** The state that survives a crash of the server. */
export interface Disk {
  readonly items: string[];
}

/** Serves one connection: stores each line once, also if a client sends it again. */
export function* serveStore(disk: Disk, socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  for (;;) {
    const item = yield* reader.readLine();
    if (item === null) return;
    if (!disk.items.includes(item)) disk.items.push(item);
    yield* socket.sendAll('ok\n');
  }
}

/** Returns when the server has confirmed `item`. */
export function* store(address: Address, item: string): Operation<void> {
  const attempt = (): Operation<void> => timeout(500, send(address, item));
  yield* retry(attempt, { times: Infinity, delayMs: 50, jitter: 1 });
}

function* send(address: Address, item: string): Operation<void> {
  using socket = yield* connect(address);
  yield* socket.sendAll(`${item}\n`);
  const answer = yield* socket.reader().readLine();
  if (answer !== 'ok') throw new Error('The server has closed the connection');
}
