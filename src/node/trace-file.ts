/**
 * The file of a trace. Events are collected up to 64 KB and then written at once, together with the
 * end of the JSON text; the next write begins where that end is. So the file is valid JSON at any
 * time, also if the process is killed.
 *
 * Writes are synchronous: they are the backpressure, and no event is lost when the process exits. A
 * signal that ends the process ends it after what is left has been written.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { TraceFile } from '../inspect/trace/trace.ts';

const BEGIN = '{"traceEvents":[\n';
const END = '\n],"displayTimeUnit":"ms"}\n';
const MAX_PENDING = 65_536;
/** The signals that end a process without a listener for them. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The open files. They share their listeners. */
const open = new Set<NodeTraceFile>();

function flushAll(): void {
  for (const file of open) file.flush();
}

/** The process ends, as it would without this listener, unless the program has one. */
function onSignal(signal: NodeJS.Signals): void {
  flushAll();
  if (process.listenerCount(signal) > 1) return;
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}

function listen(): void {
  process.on('exit', flushAll);
  for (const signal of SIGNALS) process.prependListener(signal, onSignal);
}

function stopListening(): void {
  process.off('exit', flushAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

/** Creates or replaces the file. Throws the error of the system. */
export function openTraceFile(path: string | URL): TraceFile {
  return new NodeTraceFile(path);
}

class NodeTraceFile implements TraceFile {
  readonly #descriptor: number;
  /** The place of the next event. */
  #position = 0;
  #pending = BEGIN;
  #isEmpty = true;
  #error: unknown = null;

  constructor(path: string | URL) {
    this.#descriptor = openSync(path, 'w');
    this.flush();
    if (open.size === 0) listen();
    open.add(this);
  }

  readonly append = (event: string): void => {
    this.#pending += this.#isEmpty ? event : `,\n${event}`;
    this.#isEmpty = false;
    if (this.#pending.length >= MAX_PENDING) this.flush();
  };

  close(): void {
    this.abandon();
    if (this.#error !== null) throw this.#error;
  }

  abandon(): void {
    this.flush();
    open.delete(this);
    if (open.size === 0) stopListening();
    closeSync(this.#descriptor);
  }

  /** After an error, such as a full disk, nothing more is written. */
  flush(): void {
    const text = this.#pending;
    this.#pending = '';
    if (this.#error !== null) return;
    try {
      this.#write(Buffer.from(`${text}${END}`));
      this.#position -= END.length;
    } catch (error) {
      this.#error = error;
    }
  }

  #write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const count = writeSync(this.#descriptor, bytes, at, bytes.length - at, this.#position);
      at += count;
      this.#position += count;
    }
  }
}
