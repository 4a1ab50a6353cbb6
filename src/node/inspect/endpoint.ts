/**
 * The Unix socket through which `coronet top` reads snapshots of this process.
 *
 * A client sends lines of JSON, each a SnapshotRequest, and receives for each a line of JSON: an
 * InspectSnapshot. In between it may receive a StepAnnouncement: a task begins a step whose kind
 * has held the event loop for long before. If no answer follows, the client can name the task that
 * holds the loop, although the loop cannot answer then.
 *
 * The number of clients, the length of a request and the data for a client that does not read are
 * bounded. The socket is closed when no client was connected for a while. Neither it nor its timer
 * keep the process alive.
 */
import { chmodSync, unlinkSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { inspectSnapshot } from '../../inspect/snapshot.ts';
import { StepTimes } from '../../inspect/step-times.ts';
import { firstLine } from '../../support/checks.ts';
import type { InspectedProgram } from '../process/lifecycle.ts';
import { clearInterval, now as clock, setInterval } from '../timers.ts';

/** A request of a client: options of taskTree. */
export interface SnapshotRequest {
  readonly maxNodes?: number;
  readonly expand?: readonly number[];
}

/** Sent before the step of a task whose steps have been long. */
export interface StepAnnouncement {
  readonly step: { readonly id: number; readonly name: string };
}

const MAX_CLIENTS = 4;
const MAX_REQUEST_BYTES = 64 * 1024;
/** Bytes that a client has not read; it is disconnected beyond that. */
const MAX_UNREAD_BYTES = 4 << 20;
/** A client that sends no request for this time is disconnected. */
const CLIENT_IDLE_MS = 60_000;
/** The socket is closed when no client was connected for this time. */
const IDLE_MS = 10_000;
/** How often the lag of the event loop is measured. */
const LAG_INTERVAL_MS = 100;

export class Endpoint {
  closed = false;
  readonly #path: string;
  readonly #program: () => InspectedProgram | undefined;
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  readonly #steps: StepTimes;
  readonly #observed: InspectedProgram | undefined;
  readonly #timer: NodeJS.Timeout;
  #lastTick = clock();
  /** The largest lag since the last snapshot. */
  #lagMs = 0;
  #usedAt = clock();

  /** `program` returns the program to show. */
  constructor(path: string, program: () => InspectedProgram | undefined) {
    this.#path = path;
    this.#program = program;
    this.#steps = new StepTimes((step) => this.#announce({ step }));
    this.#observed = program();
    this.#observed?.scheduler.observeSteps(this.#steps);
    this.#server = this.#listen();
    this.#timer = setInterval(() => this.#tick(), LAG_INTERVAL_MS);
    this.#timer.unref();
  }

  #listen(): Server {
    const { createServer } = process.getBuiltinModule('node:net');
    removeFile(this.#path); // of an earlier process that was killed
    const server = createServer((socket) => this.#serve(socket));
    server.maxConnections = MAX_CLIENTS;
    server.on('error', () => this.close());
    server.listen(this.#path, () => this.#restrictAccess());
    server.unref();
    return server;
  }

  /** The directory is private, so no other user can connect before the mode is set. */
  #restrictAccess(): void {
    try {
      chmodSync(this.#path, 0o600);
    } catch {
      this.close(); // Something else has removed the socket.
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.#timer);
    this.#observed?.scheduler.observeSteps(null);
    for (const client of this.#clients) client.destroy();
    this.#server.close();
    removeFile(this.#path);
  }

  #tick(): void {
    const time = clock();
    this.#lagMs = Math.max(this.#lagMs, time - this.#lastTick - LAG_INTERVAL_MS);
    this.#lastTick = time;
    if (this.#clients.size > 0) this.#usedAt = time;
    else if (time - this.#usedAt > IDLE_MS) this.close();
  }

  #serve(socket: Socket): void {
    let request = '';
    this.#clients.add(socket);
    socket.unref();
    socket.setEncoding('utf8');
    socket.setTimeout(CLIENT_IDLE_MS, () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', () => this.#clients.delete(socket));
    socket.on('data', (data: string) => {
      const lines = (request + data).split('\n');
      request = lines.pop() ?? '';
      if (request.length > MAX_REQUEST_BYTES) return void socket.destroy();
      // A client that sends many requests at once needs only the newest answer.
      const last = lines.at(-1);
      if (last !== undefined) this.#send(socket, this.#answer(last));
    });
  }

  #answer(line: string): object {
    try {
      const { maxNodes = 500, expand = [] } = JSON.parse(line) as SnapshotRequest;
      const scheduler = this.#program()?.scheduler;
      const from = scheduler === undefined ? {} : { scheduler };
      const lagMs = this.#lagMs;
      this.#lagMs = 0;
      return inspectSnapshot({ ...from, maxNodes, expand, lagMs, steps: this.#steps });
    } catch (error) {
      return { error: firstLine(error) };
    }
  }

  #announce(announcement: StepAnnouncement): void {
    for (const client of this.#clients) this.#send(client, announcement);
  }

  #send(client: Socket, message: object): void {
    if (client.writableLength > MAX_UNREAD_BYTES) client.destroy();
    else client.write(`${JSON.stringify(message)}\n`);
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It does not exist.
  }
}
