/** The `coronet` command as a user starts it, and clients that a user may have. */
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { Process, startNode } from './process.ts';

/** Starts `coronet ARGS` from dist/. */
export function coronet(...args: readonly string[]): Process {
  return startNode(import.meta.url, '../../../dist/cli/main.js', ...args);
}

/** A running echo server. */
export interface Echo {
  readonly process: Process;
  readonly port: number;
}

/** Starts `coronet echo` on a free port and waits until it serves. */
export async function startEcho(...args: readonly string[]): Promise<Echo> {
  const port = await freePort();
  const process = coronet('echo', '--port', `${port}`, ...args);
  while (!(await isServed(port))) {
    if (process.ended) throw new Error(`coronet echo has ended: ${process.stderr}`);
    await delay(10);
  }
  const quiet = args.includes('--quiet');
  if (!quiet)
    await process.until('the first connection is printed', () => process.lines.length === 3);
  if (!quiet)
    await process.until('it has printed its address', () => /try:.*\n/.test(process.stderr));
  process.stdout = '';
  process.stderr = '';
  return { process, port };
}

/** True if a server accepts connections at `port`. */
export function isServed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end());
    socket.on('error', () => resolve(false));
    socket.on('close', (failed) => resolve(!failed));
    socket.resume();
  });
}

/** A plain client. It collects everything that it receives. */
export class PlainClient {
  readonly socket: Socket;
  received = '';
  #onChange = () => {};

  constructor(port: number, host = '127.0.0.1') {
    this.socket = connect(port, host);
    this.socket.setEncoding('utf8');
    this.socket.on('error', () => {}); // Its 'close' follows.
    this.socket.on('close', () => this.#onChange());
    this.socket.on('connect', () => this.#onChange());
    this.socket.on('data', (text) => {
      this.received += text;
      this.#onChange();
    });
  }

  /** Waits until `holds` returns true. Returns false if the connection ends before. */
  async until(holds: () => boolean): Promise<boolean> {
    while (!holds() && !this.socket.closed) {
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
    return holds();
  }

  async connected(): Promise<boolean> {
    return await this.until(() => this.socket.localPort !== undefined);
  }

  /** Sends `text` and waits for the reply of an echo server. */
  async ask(text: string): Promise<boolean> {
    const answer = `${this.received}GOT:${text}`;
    this.socket.write(text);
    return await this.until(
      () => this.received.length >= answer.length && this.received === answer,
    );
  }
}

/** A client program, or a plain socket if it is not installed. */
export interface Client {
  /** The program that is used. */
  readonly name: string;
  start(port: number): Process;
}

export function client(name: string, args: (port: number) => string[]): Client {
  const path = (process.env['PATH'] ?? '').split(delimiter);
  if (path.some((folder) => existsSync(join(folder, name)))) {
    return { name, start: (port) => new Process(name, args(port)) };
  }
  const start = (port: number) => startNode(import.meta.url, 'client.mjs', `${port}`);
  return { name: `a plain socket (${name} is not installed)`, start };
}
