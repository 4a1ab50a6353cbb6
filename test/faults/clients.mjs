/** Clients on plain node:net, which check every byte of what they are answered. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const HOST = '127.0.0.1';

/** A connection that nobody listens to: its errors are what it was made for. */
export function open(port, options = {}) {
  const socket = connect({ port, host: HOST, ...options });
  socket.on('error', () => {});
  return socket;
}

/** Resolves to true when `socket` is connected, to false when that has failed. */
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

/** `count` connections, a hundred at a time. */
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
 * A client that asks one question after the other. How a question ended:
 *  'whole'    the answer, to the last byte
 *  'none'     the connection ended before the first byte of an answer
 *  'torn'     it ended within the answer
 *  'wrong'    the bytes are not those of the answer
 *  'refused'  there was no connection
 */
export class Client {
  socket;
  /** The process that has answered last. */
  pid = 0;
  #id = 0;
  #heard = '';
  #size = 0;
  #done = null;
  #isConnected = false;

  constructor(port) {
    this.socket = connect({ port, host: HOST });
    this.socket.setNoDelay(true).setEncoding('latin1');
    this.socket.on('connect', () => {
      this.#isConnected = true;
    });
    this.socket.on('data', (text) => this.#onData(text));
    this.socket.on('error', (error) => {
      if (error.code === 'ECONNREFUSED') this.#finish('refused');
    });
    this.socket.on('close', () => this.#onClose());
  }

  get isOpen() {
    return this.socket.readyState === 'open' || this.socket.connecting;
  }

  /**
   * Asks for `size` bytes. `nudgeMs`: sends an empty line every so often until the answer is there,
   * for a server that was told "nothing there" where there was something.
   */
  async ask(size, nudgeMs = Infinity) {
    if (nudgeMs === Infinity) return await this.#ask(size);
    const nudge = setInterval(() => this.socket.write('\n'), nudgeMs);
    try {
      return await this.#ask(size);
    } finally {
      clearInterval(nudge);
    }
  }

  #ask(size) {
    this.#id++;
    this.#size = size;
    this.#heard = '';
    return new Promise((resolve) => {
      this.#done = resolve;
      if (this.socket.closed) return this.#onClose();
      this.socket.write(`${this.#id} ${size}\n`);
    });
  }

  #onData(text) {
    this.#heard += text;
    if (this.#heard.length <= this.#size) return;
    const head = this.#heard.indexOf('\n');
    if (head < 0 || this.#heard.length < head + 1 + this.#size) return;
    const [id, pid, size] = this.#heard.slice(0, head).split(' ').map(Number);
    this.pid = pid;
    const body = String.fromCharCode(97 + (this.#id % 26)).repeat(this.#size);
    const isRight = id === this.#id && size === this.#size && this.#heard.slice(head + 1) === body;
    this.#finish(isRight ? 'whole' : 'wrong');
  }

  #onClose() {
    const ending = this.#heard === '' ? 'none' : 'torn';
    this.#finish(this.#isConnected ? ending : 'refused');
  }

  #finish(how) {
    const done = this.#done;
    this.#done = null;
    done?.(how);
  }
}

/** Clients that ask and ask until they are told to stop; `tally`: what became of it. */
export class Load {
  tally = { whole: 0, none: 0, torn: 0, wrong: 0, refused: 0 };
  /** Of questions that ended otherwise than whole: by the process that served the client before. */
  failedAt = new Map();
  /** How many answers each process has given. */
  answeredBy = new Map();
  #goesOn = true;
  #all;

  /**
   * `clients`, each of which asks for `size` bytes at a time, with a pause of `pauseMs`, and
   * `perConnection` times on a connection. `again`: one whose connection was ended opens another
   * one; otherwise it stops.
   */
  constructor(port, { clients, ...given }) {
    const options = { size: 100, again: false, pauseMs: 0, perConnection: Infinity, ...given };
    this.#all = Promise.all(Array.from({ length: clients }, () => this.#play(port, options)));
  }

  get lost() {
    return this.tally.none + this.tally.torn + this.tally.wrong + this.tally.refused;
  }

  async #play(port, { size, again, pauseMs, perConnection, nudgeMs }) {
    while (this.#goesOn) {
      const client = new Client(port);
      let how = 'whole';
      for (let asked = 0; this.#goesOn && how === 'whole' && asked < perConnection; asked++) {
        how = await client.ask(size, nudgeMs);
        this.#note(how, client.pid);
        if (pauseMs > 0) await delay(pauseMs);
      }
      client.socket.destroy();
      if (how === 'whole') continue;
      if (!again) return;
      if (how === 'refused') await delay(10);
    }
  }

  #note(how, pid) {
    this.tally[how]++;
    const counts = how === 'whole' ? this.answeredBy : this.failedAt;
    counts.set(pid, (counts.get(pid) ?? 0) + 1);
  }

  /** Resolves when every client has stopped by itself. */
  over() {
    return this.#all;
  }

  async stop() {
    this.#goesOn = false;
    await this.#all;
  }
}

/** Plays `body` while a few clients are served; each of their answers has to come, and whole. */
export async function beside(port, body) {
  const load = new Load(port, { clients: STEADY, pauseMs: 5 });
  try {
    await body();
  } finally {
    await load.stop();
  }
  if (load.lost > 0) throw new Error(`Others were not served: ${JSON.stringify(load.tally)}`);
  if (load.tally.whole === 0) throw new Error('Others were not served at all');
  return load.tally.whole;
}

/** The clients of `beside`. */
export const STEADY = 4;
