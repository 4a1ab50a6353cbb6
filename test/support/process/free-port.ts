/**
 * Ports for servers that are started by number. From 32768 on the kernel selects ports for clients
 * and for servers at port 0, so one of those may be used again before a server listens or restarts.
 */
import { createServer } from 'node:net';

/**
 * Test files that run at the same time have pool ids of their own, and so have their ports: a port
 * is free until its server listens, and must not be found by two of them.
 */
const POOLS = 4;
const COUNT = 1200;
const FIRST = 20_000 + COUNT * (Number(process.env['VITEST_POOL_ID'] ?? 0) % POOLS);

let next = Math.floor(Math.random() * COUNT);

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
