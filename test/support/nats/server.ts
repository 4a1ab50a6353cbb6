/** A nats-server for tests: the program of the Debian package, on a free port. */
import { existsSync, readFileSync } from 'node:fs';
import { freePort } from '../process/free-port.ts';
import { Process } from '../process/process.ts';

const PROGRAM = process.env['NATS_SERVER'] ?? '/usr/sbin/nats-server';

/** The reason why tests with a real server are skipped; `undefined` if it is installed. */
export const withoutNatsServer: string | undefined = existsSync(PROGRAM)
  ? undefined
  : `${PROGRAM} is not installed: apt-get install nats-server`;

export class NatsServer {
  readonly port: number;
  #process: Process;
  readonly #args: readonly string[];

  private constructor(started: Process, port: number, args: readonly string[]) {
    this.#process = started;
    this.port = port;
    this.#args = args;
  }

  static async start(args: readonly string[] = []): Promise<NatsServer> {
    const port = await freePort();
    return new NatsServer(await launch(args, port), port, args);
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Waits until the server is connected to `count` other servers of its cluster. */
  async untilRoutes(count: number): Promise<void> {
    const routes = () => this.#process.stderr.split('Route connection created').length - 1;
    await this.#process.until(`nats-server has ${count} routes`, () => routes() >= count);
  }

  /** Stops the execution of the server, as if it did not respond. */
  async pause(): Promise<void> {
    const { child } = this.#process;
    child.kill('SIGSTOP');
    const stopped = () => /^\d+ \(.*\) T/.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8'));
    while (!stopped()) await new Promise((resolve) => setImmediate(resolve));
  }

  resume(): void {
    this.#process.child.kill('SIGCONT');
  }

  /** Kills the server at once. */
  async kill(): Promise<void> {
    this.#process.kill();
    await this.#process.exit;
  }

  /** Starts the server again, on the same port. */
  async restart(): Promise<void> {
    this.#process = await launch(this.#args, this.port);
  }
}

async function launch(args: readonly string[], port: number): Promise<Process> {
  const started = new Process(PROGRAM, ['-a', '127.0.0.1', '-p', String(port), ...args]);
  await started.until('nats-server is ready', () => started.stderr.includes('Server is ready'));
  return started;
}
