/** The output of `coronet serve`: lines for users on standard error, JSON on standard output. */
import type { SocketAddress } from '../../net/address.ts';
import { stderr } from '../../node/process/line-output.ts';
import type { WorkerEvent } from '../../server/workers/workers.ts';
import { describeEvent } from '../../server/workers/workers.ts';
import { printLine } from '../serve-common.ts';
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
  /** Only errors are printed: on request, or because standard error is not a terminal. */
  readonly #quiet: boolean;

  constructor(file: string, json: boolean, quiet: boolean) {
    this.#file = file;
    this.#json = json;
    this.#quiet = quiet || json || !process.stderr.isTTY;
  }

  /**
   * Printed to a terminal; if the system has chosen the port always, because it is not known
   * otherwise.
   */
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
    this.#print(
      `coronet ${version} serves ${this.#file} on ${address} (${details.join(', ')}); ` +
        `try: nc ${path === undefined ? `${host} ${port}` : `-U ${path}`}`,
    );
  }

  event(event: WorkerEvent): void {
    const { kind, ...rest } = event;
    this.#event({ event: kind, ...rest });
    const text = describeEvent(event);
    if (text !== undefined) this.#print(`coronet: ${text}`);
    else if (event.kind === 'reloaded' && !this.#quiet)
      this.#print(`coronet: reloaded ${this.#file}`);
  }

  /** The program did not start. It is started again after a change. */
  waiting(error: Error): void {
    this.#event({ event: 'waiting', reason: error.message });
    this.#print(`coronet: ${error.message}; waiting for a change`);
  }

  /** The stats at the end. */
  ended(stats: Readonly<Record<string, unknown>>): void {
    this.#event({ event: 'end', ...stats });
  }

  #event(event: Readonly<Record<string, unknown>>): void {
    if (this.#json) printLine(JSON.stringify(event));
  }

  #print(line: string): void {
    stderr.write(line);
  }
}

function workersText(count: number | 'auto'): string {
  return count === 1 ? '1 worker' : `${count} workers`;
}
