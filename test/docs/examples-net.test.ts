/**
 * The servers among the examples, asked by the programs that people have: what speaks the protocol
 * was not written here. A client that is not installed is passed over.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEpoll } from '../support/backends.ts';
import { freePort, isServed } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILT = join(ROOT, 'build/examples-of-clients');

/** A folder of its own: other tests build the examples at the same time. */
beforeAll(() => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const args = [tsc, '-p', 'examples/tsconfig.json', '--outDir', BUILT];
  execFileSync(process.execPath, args, { cwd: ROOT });
}, 60_000);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coronet-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const backends = withoutEpoll === undefined ? ['epoll', 'portable'] : ['portable'];

function installed(program: string): boolean {
  return spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined;
}

/** Starts an example and waits until `ready` says that it serves. */
async function start(
  backend: string,
  args: readonly string[],
  ready: () => Promise<boolean> | boolean,
): Promise<Process> {
  const [name, ...rest] = args as [string, ...string[]];
  const file = join(BUILT, `examples/net/${name}.js`);
  const server = new Process(process.execPath, [file, ...rest], {
    env: { CORONET_BACKEND: backend },
  });
  while (!(await ready())) {
    if (server.ended) throw new Error(`${name} has ended: ${server.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return server;
}

async function startAtPort(backend: string, name: string, ...args: string[]): Promise<string> {
  const port = await freePort();
  await start(backend, [name, ...args, `${port}`], () => isServed(port));
  return `${port}`;
}

/** What `program` prints; `input` is its standard input. */
async function ask(program: string, args: readonly string[], input = ''): Promise<string> {
  const client = new Process(program, args);
  client.child.stdin?.end(input);
  const { code } = await client.exit;
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${client.stderr}`);
  return client.stdout;
}

/** As `ask`, for a client that would leave before the answer when its input ends. */
async function talk(program: string, args: readonly string[], text: string): Promise<string> {
  const client = new Process(program, args);
  client.child.stdin?.write(text);
  await client.until('the answer is there', () => client.lines.length > 0);
  client.child.stdin?.end();
  await client.exit;
  return client.stdout;
}

function makeCertificate(name: string): string[] {
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const args = ['req', ...kind, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', args, { stdio: 'ignore' });
  return [key, cert];
}

describe.each(backends)('the servers of examples/net on %s', (backend) => {
  endProcesses();

  test.skipIf(!installed('curl'))('http answers curl, and a megabyte of it', async () => {
    const port = await startAtPort(backend, 'http');
    const url = `http://127.0.0.1:${port}/hello`;
    expect(await ask('curl', ['-sS', url])).toBe('GET /hello\n');
    const body = 'x'.repeat(1_000_000);
    const posted = await ask('curl', ['-sS', '--data-binary', '@-', url], body);
    expect(posted.length).toBe('POST /hello\n'.length + body.length);
  });

  test.skipIf(!installed('redis-cli'))('redis answers redis-cli', async () => {
    const port = await startAtPort(backend, 'redis');
    const redis = (...args: string[]) => ask('redis-cli', ['-p', port, ...args]);
    expect(await redis('ping')).toBe('PONG\n');
    expect(await redis('set', 'greeting', 'hello, world')).toBe('OK\n');
    expect(await redis('get', 'greeting')).toBe('hello, world\n');
    expect(await redis('get', 'nothing')).toBe('\n');
    expect(await redis('incr', 'count')).toBe('1\n');
    expect(await redis('exists', 'greeting', 'count', 'nothing')).toBe('2\n');
    expect(await redis('del', 'greeting')).toBe('1\n');
    expect(await redis('frobnicate')).toContain("ERR unknown command 'frobnicate'");
  });

  test.skipIf(!installed('redis-benchmark'))('redis answers redis-benchmark', async () => {
    const port = await startAtPort(backend, 'redis');
    const args = ['-p', port, '-n', '2000', '-c', '20', '-P', '16', '-t', 'set,get', '--csv'];
    expect(await ask('redis-benchmark', args)).toMatch(/"SET","[\d.]+"[\s\S]*"GET","[\d.]+"/);
  });

  test.skipIf(!installed('dig'))('dns answers dig', async () => {
    const port = await freePort();
    const dig = (name: string) => {
      const args = ['@127.0.0.1', '-p', `${port}`, name, '+time=1', '+tries=8', '+noall'];
      return ask('dig', [...args, '+answer', '+comments']);
    };
    const server = await start(backend, ['dns', `${port}`], () => true);
    await server.until('it answers', () => server.lines.length > 0);
    expect(await dig('router.test')).toMatch(/router\.test\.\s+60\s+IN\s+A\s+192\.0\.2\.1/);
    expect(await dig('nobody.test')).toContain('status: NXDOMAIN');
  });

  test.skipIf(!installed('nc'))(
    'proxy stands at a path for nc -U, in front of a port',
    async () => {
      const path = join(folder, `proxy-${backend}.sock`);
      const upstream = await startAtPort(backend, 'redis');
      await start(backend, ['proxy', path, `127.0.0.1:${upstream}`], () => isSocket(path));
      expect(await talk('nc', ['-N', '-U', path], 'PING\r\n')).toBe('+PONG\r\n');
    },
  );

  test.skipIf(!installed('socat'))('proxy carries what socat sends', async () => {
    const upstream = await startAtPort(backend, 'redis');
    const port = await freePort();
    const args = ['proxy', `127.0.0.1:${port}`, `127.0.0.1:${upstream}`];
    await start(backend, args, () => isServed(port));
    const answers = await ask('socat', ['-t', '5', '-', `TCP:127.0.0.1:${port}`], 'PING\nPING\n');
    expect(answers).toBe('+PONG\r\n+PONG\r\n');
  });

  test.skipIf(!installed('openssl'))('tls answers openssl, and reloads', async () => {
    const [key, cert] = makeCertificate('first.test') as [string, string];
    const port = await freePort();
    const server = await start(backend, ['tls', key, cert, `${port}`], () => isServed(port));
    const greet = () => {
      const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof'];
      return ask('openssl', args, 'openssl\n');
    };
    const first = await greet();
    expect(first).toContain('CN = first.test');
    expect(first).toContain('Hello, openssl, over TLSv1.3');
    makeCertificate('second.test');
    server.child.kill('SIGHUP');
    await server.until('it has reloaded', () => server.stdout.includes('reloaded'));
    expect(await greet()).toContain('CN = second.test');
  });
});

function isSocket(path: string): boolean {
  return spawnSync('test', ['-S', path]).status === 0;
}
