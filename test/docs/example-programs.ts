/** Example servers as processes, and the client programs that connect to them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { withoutEpoll } from '../support/backends.ts';
import { isServed } from '../support/process/coronet-command.ts';
import { freePort } from '../support/process/free-port.ts';
import { Process } from '../support/process/process.ts';
import { buildExamples } from './examples-build.ts';

/** The values of CORONET_BACKEND with which the examples run. */
export const exampleBackends: readonly string[] =
  withoutEpoll === undefined ? ['epoll', 'portable'] : ['portable'];

export function installed(program: string): boolean {
  return spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined;
}

/** The examples of one folder, compiled for a test file. */
export class ExamplePrograms {
  readonly #built: string;
  /** A temporary folder. */
  folder = '';

  /** Call it at the top of the test file `testFile`. */
  constructor(testFile: string, folder: string) {
    this.#built = join(buildExamples(testFile), folder);
    beforeAll(() => {
      this.folder = mkdtempSync(join(tmpdir(), 'coronet-'));
    });
    afterAll(() => rmSync(this.folder, { recursive: true }));
  }

  /** Starts an example and waits until `ready` returns true. */
  async start(
    backend: string,
    args: readonly string[],
    ready: () => Promise<boolean> | boolean,
  ): Promise<Process> {
    const [name, ...rest] = args as [string, ...string[]];
    const file = join(this.#built, `${name}.js`);
    const server = new Process(process.execPath, [file, ...rest], {
      env: { CORONET_BACKEND: backend },
    });
    while (!(await ready())) {
      if (server.ended) throw new Error(`${name} ended: ${server.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return server;
  }

  /** Starts an example whose last argument is its port, and returns that. */
  async startAtPort(backend: string, name: string, ...args: string[]): Promise<string> {
    const port = await freePort();
    await this.start(backend, [name, ...args, `${port}`], () => isServed(port));
    return `${port}`;
  }

  /** Creates a certificate. Returns the paths of its key and of the certificate. */
  makeCertificate(name: string): [key: string, cert: string] {
    const key = join(this.folder, 'key.pem');
    const cert = join(this.folder, 'cert.pem');
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const args = ['req', ...kind, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert];
    execFileSync('openssl', args, { stdio: 'ignore' });
    return [key, cert];
  }
}

/** Returns the output of a client program. `input` is its standard input. */
export async function output(
  program: string,
  args: readonly string[],
  input = '',
): Promise<string> {
  const client = new Process(program, args);
  client.child.stdin?.end(input);
  const { code } = await client.exit;
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${client.stderr}`);
  return client.stdout;
}

/** As `output`, for a client that ends when its input ends, even before the response. */
export async function outputBeforeEnd(
  program: string,
  args: readonly string[],
  text: string,
): Promise<string> {
  const client = new Process(program, args);
  client.child.stdin?.write(text);
  await client.until('the client has a response', () => client.lines.length > 0);
  client.child.stdin?.end();
  await client.exit;
  return client.stdout;
}
