/** Clients on plain node:net that check every byte of a response. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const HOST = '127.0.0.1';

/** A connection whose errors are ignored: scenarios cause them on purpose. */
export function open(port, options = {}) {
  const socket = connect({ port, host: HOST, ...options });
  socket.on('error', () => {});
  return socket;
}

/** Resolves to true when `socket` is connected, to false when connecting has failed. */
export function connected(socket) {
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('close', () => resolve(false));
  });
}

export function closed(socket) {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', resolve);
  });
}

/** Opens `count` connections, a hundred at a time. */
export async function openMany(port, count, options = {}) {
  const sockets = [];
  while (sockets.length < count) {
    const some = Array.from({ length: Math.min(100, count - sockets.length) }, () =>
      open(port, options),
    );
    sockets.push(...some);
    await Promise.all(some.map(connected));
  }
  return sockets;
}

/**
 * A client that sends one request after the other. Outcomes of a request:
 *  'whole'    the complete response was received
 *  'none'     the connection ended before the first byte of a response
 *  'torn'     the connection ended within the response
 *  'wrong'    the response has wrong bytes
 *  'refused'  the connection was refused
 */
export class Client {
  socket;
  /** The process that sent the last response. */
  pid = 0;
  #id = 0;
  #received = '';
  #size = 0;
  #resolve = null;
  #isConnected = false;

  constructor(port) {
    this.socket = connect({ port, host: HOST });
    this.socket.setNoDelay(true).setEncoding('latin1');
    this.socket.on('connect', () => {
      this.#isConnected = true;
    });
    this.socket.on('data', (text) => this.#onData(text));
    this.socket.on('error', (error) => {
      if (error.code === 'ECONNREFUSED') this.#settle('refused');
    });
    this.socket.on('close', () => this.#onClose());
  }

  /**
   * Requests `size` bytes. `emptyLineMs`: sends an empty line at this interval until the response
   * is complete, for a server that has lost a readiness event.
   */
  async request(size, emptyLineMs = Infinity) {
    if (emptyLineMs === Infinity) return await this.#request(size);
    const timer = setInterval(() => this.socket.write('\n'), emptyLineMs);
    try {
      return await this.#request(size);
    } finally {
      clearInterval(timer);
    }
  }

  #request(size) {
    this.#id++;
    this.#size = size;
    this.#received = '';
    return new Promise((resolve) => {
      this.#resolve = resolve;
      if (this.socket.closed) return this.#onClose();
      this.socket.write(`${this.#id} ${size}\n`);
    });
  }

  #onData(text) {
    this.#received += text;
    if (this.#received.length <= this.#size) return;
    const head = this.#received.indexOf('\n');
    if (head < 0 || this.#received.length < head + 1 + this.#size) return;
    const [id, pid, size] = this.#received.slice(0, head).split(' ').map(Number);
    this.pid = pid;
    const body = String.fromCharCode(97 + (this.#id % 26)).repeat(this.#size);
    const isBodyRight = this.#received.slice(head + 1) === body;
    this.#settle(id === this.#id && size === this.#size && isBodyRight ? 'whole' : 'wrong');
  }

  #onClose() {
    const outcome = this.#received === '' ? 'none' : 'torn';
    this.#settle(this.#isConnected ? outcome : 'refused');
  }

  #settle(outcome) {
    const resolve = this.#resolve;
    this.#resolve = null;
    resolve?.(outcome);
  }
}

/** Clients that send requests until they are stopped. `outcomes` counts the results. */
export class Load {
  outcomes = { whole: 0, none: 0, torn: 0, wrong: 0, refused: 0 };
  /** The number of failed requests, by the process that served the client before. */
  failedAt = new Map();
  /** The number of responses of each process. */
  answeredBy = new Map();
  #isActive = true;
  #done;

  /**
   * `clients` clients request `size` bytes at a time, with a pause of `pauseMs`, and up to
   * `perConnection` times on a connection. `reconnect`: a client whose connection has ended opens
   * another one; otherwise it stops.
   */
  constructor(port, { clients, ...given }) {
    const options = { size: 100, reconnect: false, pauseMs: 0, perConnection: Infinity, ...given };
    this.#done = Promise.all(Array.from({ length: clients }, () => this.#run(port, options)));
  }

  get lost() {
    const { none, torn, wrong, refused } = this.outcomes;
    return none + torn + wrong + refused;
  }

  async #run(port, { size, reconnect, pauseMs, perConnection, emptyLineMs }) {
    while (this.#isActive) {
      const client = new Client(port);
      let outcome = 'whole';
      for (let sent = 0; this.#isActive && outcome === 'whole' && sent < perConnection; sent++) {
        outcome = await client.request(size, emptyLineMs);
        this.#count(outcome, client.pid);
        if (pauseMs > 0) await delay(pauseMs);
      }
      client.socket.destroy();
      if (outcome === 'whole') continue;
      if (!reconnect) return;
      if (outcome === 'refused') await delay(10);
    }
  }

  #count(outcome, pid) {
    this.outcomes[outcome]++;
    const counts = outcome === 'whole' ? this.answeredBy : this.failedAt;
    counts.set(pid, (counts.get(pid) ?? 0) + 1);
  }

  /** Resolves when the last client has stopped because its connection ended. */
  done() {
    return this.#done;
  }

  async stop() {
    this.#isActive = false;
    await this.#done;
  }
}

/** The number of clients that `withBackgroundClients` runs. */
export const BACKGROUND_CLIENTS = 4;

/**
 * Runs `body` while other clients use the server. Returns the number of their responses; throws if
 * one of their requests has failed.
 */
export async function withBackgroundClients(port, body) {
  const load = new Load(port, { clients: BACKGROUND_CLIENTS, pauseMs: 5 });
  try {
    await body();
  } finally {
    await load.stop();
  }
  const { whole } = load.outcomes;
  if (load.lost > 0 || whole === 0) {
    throw new Error(`Requests of other clients failed: ${JSON.stringify(load.outcomes)}`);
  }
  return whole;
}
