/** `coronet serve FILE`: serves with the handler that a module exports. */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { race } from '../flow/combinators/race.ts';
import { currentScope } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { shield } from '../kernel/scope/shield.ts';
import type { Address } from '../net/address.ts';
import type { Backend } from '../node/backend.ts';
import { main } from '../node/main.ts';
import { inheritedListeners } from '../server/inherited-listeners.ts';
import { tcpServer } from '../server/serve.ts';
import type { Server } from '../server/server.ts';
import { WorkerError } from '../server/workers/errors.ts';
import type { Workers } from '../server/workers/workers.ts';
import { workers } from '../server/workers/workers.ts';
import { CommandError, CommandUsageError } from './errors.ts';
import { readArguments, readHost, readMs, readPort, readWorkers } from './options.ts';
import { FolderChanges } from './serve/folder-watcher.ts';
import type { HandlerModule } from './serve/handler-module.ts';
import { checkFile, loadHandler } from './serve/handler-module.ts';
import { ServeReport } from './serve/report.ts';
import { readBackend, withListenAdvice } from './serve-common.ts';
import type { WorkerTask } from './serve-worker.ts';

const HELP = `Examples:
  coronet serve handler.mjs                then, in another terminal: nc localhost 25000
  coronet serve handler.mjs --watch        reload whenever a source file changes
  coronet serve handler.mjs --workers 4    run four processes; SIGHUP replaces them one by one

handler.mjs:
  export default function* (socket, peer) {
    for (;;) {
      const data = yield* socket.recv();
      if (data.length === 0) return;
      yield* socket.sendAll(data);
    }
  }
or, with the options of tcpServer:
  export default { handler, options: { lingerMs: 500 } };

A listening socket that the process inherits (LISTEN_FDS, a .socket unit of systemd) takes
precedence over --host and --port.

Options:
  --host HOST          address to listen on; default 127.0.0.1
  --port PORT          port to listen on; default 25000; 0: any free port
  --workers N          number of processes, or auto: one per processor
  --watch              replace the program when a source file in its folder changes its content (not
                       .json and other data); enables debug mode
  --backend NAME       auto, epoll or portable; default auto
  --grace-ms MS        time for connections to end after SIGTERM or SIGINT; default 10000
  --lame-duck-ms MS    time between the signal and the start of that period; default 0
  --json               print one line of JSON on standard output per event
  --quiet              print only errors
`;

const OPTIONS = {
  host: { type: 'string', default: '127.0.0.1' },
  port: { type: 'string', default: '25000' },
  workers: { type: 'string' },
  watch: { type: 'boolean', default: false },
  backend: { type: 'string' },
  'grace-ms': { type: 'string', default: '10000' },
  'lame-duck-ms': { type: 'string', default: '0' },
  json: { type: 'boolean', default: false },
  quiet: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * A worker cancels its remaining connections at the end of its grace period; the supervisor waits
 * longer.
 */
const SUPERVISOR_MARGIN_MS = 5000;

const WORKER = fileURLToPath(new URL('./serve-worker.js', import.meta.url));

interface ServeOptions {
  readonly file: string;
  readonly host: string;
  readonly port: number;
  readonly workers: number | 'auto' | undefined;
  readonly watch: boolean;
  readonly backend: Backend;
  readonly graceMs: number;
  readonly lameDuckMs: number;
}

/** Serves until a signal ends it. */
export async function run(args: readonly string[]): Promise<void> {
  const { values, words } = readArguments(args, OPTIONS);
  if (values['help'] === true) {
    process.stdout.write(HELP);
    return;
  }
  const { workers: count } = values;
  const options: ServeOptions = {
    file: onlyFile(words),
    host: readHost(String(values['host'])),
    port: readPort(String(values['port'])),
    workers: count === undefined ? undefined : readWorkers(String(count)),
    watch: values['watch'] === true,
    backend: readBackend(values['backend']),
    graceMs: readMs('grace-ms', String(values['grace-ms'])),
    lameDuckMs: readMs('lame-duck-ms', String(values['lame-duck-ms'])),
  };
  checkFile(options.file);
  const report = new ServeReport(options.file, values['json'] === true, values['quiet'] === true);
  if (options.workers === undefined && !options.watch) await serveHere(options, report);
  else await serveInWorkers(options, report);
}

function onlyFile(words: readonly string[]): string {
  const [file, extra] = words;
  if (file === undefined) {
    throw new CommandUsageError(
      'Expected a file to serve with: coronet serve handler.mjs. See --help.',
    );
  }
  if (extra !== undefined)
    throw new CommandUsageError(`Expected one file, got a second one: '${extra}'.`);
  return file;
}

function* withCommandErrors(options: ServeOptions, op: Operation<void>): Generator<Wait, void> {
  const { host, port, file } = options;
  try {
    yield* withListenAdvice(op, { command: `coronet serve ${file}`, host, port });
  } catch (error) {
    // The workers have written the details.
    throw error instanceof WorkerError ? new CommandError(`coronet: ${error.message}`) : error;
  }
}

async function runMain(options: ServeOptions, op: Operation<void>, graceMs: number): Promise<void> {
  const { lameDuckMs, backend } = options;
  await main(() => withCommandErrors(options, op), { graceMs, lameDuckMs, backend });
}

// ---- in this process ----

async function serveHere(options: ServeOptions, report: ServeReport): Promise<void> {
  const loaded = await loadHandler(options.file);
  await runMain(options, serveLoaded(options, loaded, report), options.graceMs);
}

function* serveLoaded(
  options: ServeOptions,
  loaded: HandlerModule,
  report: ServeReport,
): Generator<Wait, void> {
  const address = listenAddress(options);
  let server: Server | undefined;
  const onListening = (listening: Server): void => {
    server = listening;
    const anyPort = isAnyPort(address);
    report.listening(listening.address, { anyPort, backend: listening.backend });
    loaded.options.onListening?.(listening);
  };
  try {
    yield* tcpServer(address, loaded.handler, { ...loaded.options, onListening });
  } finally {
    if (server !== undefined) report.ended({ ...server.stats() });
  }
}

/** The address of an inherited listener takes precedence. */
function listenAddress({ host, port }: ServeOptions): Address {
  const [inherited] = inheritedListeners();
  return inherited ?? { host, port };
}

function isAnyPort(address: Address): boolean {
  return typeof address === 'object' && 'port' in address && address.port === 0;
}

// ---- in workers ----

async function serveInWorkers(options: ServeOptions, report: ServeReport): Promise<void> {
  const program = options.watch ? serveWatched(options, report) : serveOnce(options, report);
  await runMain(options, program, options.graceMs + SUPERVISOR_MARGIN_MS);
}

/** Serves until it is stopped. A program that does not start is started again after a change. */
function* serveWatched(options: ServeOptions, report: ServeReport): Generator<Wait, void> {
  const changes = new FolderChanges(dirname(resolve(options.file)));
  try {
    while (!currentScope().stopping) {
      const { count } = changes;
      if (yield* startsAndServes(options, report, changes)) return;
      yield* race([currentScope().waitStopping(), changes.after(count)]);
    }
  } finally {
    changes.close();
  }
}

/** Returns false if the program did not start. */
function* startsAndServes(
  options: ServeOptions,
  report: ServeReport,
  changes: FolderChanges,
): Generator<Wait, boolean> {
  try {
    yield* serveOnce(options, report, changes);
    return true;
  } catch (error) {
    if (!(error instanceof WorkerError) || error.code !== 'ERR_WORKER_START') throw error;
    report.waiting(error);
    return false;
  }
}

function* serveOnce(
  options: ServeOptions,
  report: ServeReport,
  changes?: FolderChanges,
): Generator<Wait, void> {
  const { backend, graceMs, watch } = options;
  const address = listenAddress(options);
  const task: WorkerTask = { file: resolve(options.file), address, graceMs };
  const workerCount = options.workers ?? 1;
  const before = changes?.count;
  let running: Workers | undefined;
  try {
    yield* workers(workerCount, WORKER, {
      listen: address,
      args: [JSON.stringify(task)],
      env: environment(watch, backend),
      graceMs,
      onEvent: (event) => report.event(event),
      onReady: (ready) => {
        running = ready;
        const anyPort = isAnyPort(address);
        report.listening(ready.addresses[0], { anyPort, workers: workerCount, watch });
        reloadOn(changes, before, ready);
      },
    });
  } finally {
    if (running !== undefined) yield* shield(() => reportEnd(running as Workers, report));
  }
}

/** Files that changed while the workers were starting may not be loaded yet. */
function reloadOn(
  changes: FolderChanges | undefined,
  before: number | undefined,
  ready: Workers,
): void {
  if (changes === undefined) return;
  changes.onChange = () => ready.reload();
  if (changes.count !== before) ready.reload();
}

function* reportEnd(running: Workers, report: ServeReport): Generator<Wait, void> {
  const { total, restarts, reloads } = yield* running.stats();
  report.ended({ restarts, reloads, ...total });
}

function environment(watch: boolean, backend: Backend): Readonly<Record<string, string>> {
  const debug = watch ? { CORONET_DEBUG: process.env['CORONET_DEBUG'] ?? '1' } : {};
  return { ...debug, CORONET_BACKEND: backend };
}
