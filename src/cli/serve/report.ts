/** The output of `coronet serve`: lines for users on standard error, JSON on standard output. */
import type { SocketAddress } from '../../net/address.ts';
import { stderr, stdout } from '../../node/process/line-output.ts';
import type { WorkerEvent } from '../../server/workers/workers.ts';
import { describeEvent } from '../../server/workers/workers.ts';
import { readVersion } from '../version.ts';

/** Details of the 'listening' event. */
interface ListeningDetails {
  /** The system has chosen the port. */
  readonly anyPort?: boolean;
  /** Only without workers. */
  readonly backend?: string;
  readonly workers?: number | 'auto';
  readonly watch?: boolean;
}

export class ServeReport {
  readonly #file: string;
  readonly #json: boolean;
  /** Only errors are printed, and the address if it is not known otherwise. */
  readonly #quiet: boolean;

  constructor(file: string, json: boolean, quiet: boolean) {
    this.#file = file;
    this.#json = json;
    this.#quiet = quiet;
  }

  /** If the system has chosen the port, this is printed always. */
  listening(
    address: SocketAddress | undefined,
    { anyPort = false, ...how }: ListeningDetails,
  ): void {
    if (address === undefined) return;
    const { host, port, path } = address;
    const version = readVersion();
    this.#event({ event: 'listening', version, pid: process.pid, host, port, path, ...how });
    if (this.#json || (this.#quiet && !anyPort)) return;
    const details = [
      ...(how.backend === undefined ? [] : [how.backend]),
      ...(how.workers === undefined ? [] : [workersText(how.workers)]),
      ...(how.watch === true ? ['watching'] : []),
    ];
    stderr.write(
      `coronet ${version} serves ${this.#file} on ${address} (${details.join(', ')}); ` +
        `try: nc ${path === undefined ? `${host} ${port}` : `-U ${path}`}`,
    );
  }

  event(event: WorkerEvent): void {
    const { kind, ...rest } = event;
    this.#event({ event: kind, ...rest });
    const text = describeEvent(event);
    if (text !== undefined) stderr.write(`coronet: ${text}`);
    else if (event.kind === 'reloaded' && !this.#quiet && !this.#json)
      stderr.write(`coronet: reloaded ${this.#file}`);
  }

  /** The program did not start. It is started again after a change. */
  waiting(error: Error): void {
    this.#event({ event: 'waiting', reason: error.message });
    stderr.write(`coronet: ${error.message}; waiting for a change`);
  }

  /** The stats at the end. */
  ended(stats: Readonly<Record<string, unknown>>): void {
    this.#event({ event: 'end', ...stats });
  }

  #event(event: Readonly<Record<string, unknown>>): void {
    if (this.#json) stdout.write(JSON.stringify(event));
  }
}

function workersText(count: number | 'auto'): string {
  return count === 1 ? '1 worker' : `${count} workers`;
}
