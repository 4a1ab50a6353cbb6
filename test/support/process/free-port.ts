/**
 * Ports for servers that are started by number. From 32768 on the kernel selects ports for clients
 * and for servers at port 0, so one of those may be used again before a server listens or restarts.
 */
import { createServer } from 'node:net';

const FIRST = 20_000;
const COUNT = 4900;

/** Test files that run at the same time begin at different ports. */
let next = (process.pid * 101) % COUNT;

/** Returns a port at which nothing listens. Each call returns another one. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempts = 0; attempts < COUNT; attempts++) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await isFree(port, host)) return port;
  }
  throw new Error(`No port from ${FIRST} to ${FIRST + COUNT - 1} is free at ${host}`);
}

function isFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
