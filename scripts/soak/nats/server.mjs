/** nats-server processes: the program of the Debian package, on free ports of 127.0.0.1. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const PROGRAM = process.env.NATS_SERVER ?? '/usr/sbin/nats-server';
const LIMIT_MS = 20_000;

/** The reason why the scenarios cannot run here. */
export function skipReason() {
  return existsSync(PROGRAM) ? undefined : `${PROGRAM} is not installed`;
}

/** Calls `body` with a function that starts servers, and kills them all afterwards. */
export async function withServers(body) {
  const servers = [];
  try {
    return await body(async (...args) => {
      const server = new NatsServer(args);
      servers.push(server);
      await server.start();
      return server;
    });
  } finally {
    await Promise.all(servers.map((server) => server.kill()));
  }
}

class NatsServer {
  port = -1;
  /** The port for the other servers of a cluster. */
  clusterPort = -1;
  #args;
  #child;
  /** The log. Servers of the scenarios log a few lines for each connection. */
  #lines = [];

  constructor(args) {
    this.#args = args;
  }

  get address() {
    return `127.0.0.1:${this.port}`;
  }

  /** Starts the process, on the same port as before. */
  async start() {
    const args = ['-a', '127.0.0.1', '-p', String(this.port), ...this.#args];
    this.#child = spawn(PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#lines = [];
    createInterface(this.#child.stderr).on('line', (line) => this.#lines.push(line));
    await this.until('Server is ready');
    this.port = await this.#portFor('client');
    if (this.#args.includes('--cluster')) this.clusterPort = await this.#portFor('route');
  }

  async #portFor(kind) {
    const start = `Listening for ${kind} connections`;
    const [line] = await this.until(start);
    return Number(/:(\d+)$/.exec(line)[1]);
  }

  /** Waits until `count` lines of the log contain `text`, and resolves to them. */
  async until(text, count = 1) {
    const deadline = performance.now() + LIMIT_MS;
    for (;;) {
      const found = this.#lines.filter((line) => line.includes(text));
      if (found.length >= count) return found;
      const ended = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (ended || performance.now() > deadline) {
        throw new Error(`nats-server: expected '${text}'\n${this.#lines.slice(-20).join('\n')}`);
      }
      await delay(5);
    }
  }

  async kill() {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async restart() {
    await this.kill();
    await this.start();
  }

  signal(name) {
    this.#child.kill(name);
  }
}
