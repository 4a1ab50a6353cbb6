/** The servers of examples/net with independent clients, as far as they are installed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withoutEpoll } from '../support/backends.ts';
import { freePort, isServed } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { buildExamples } from './examples-build.ts';

const BUILT = buildExamples('examples-net');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coronet-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const backends = withoutEpoll === undefined ? ['epoll', 'portable'] : ['portable'];

function installed(program: string): boolean {
  return spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined;
}

/** Starts an example and waits until `ready` returns true. */
async function start(
  backend: string,
  args: readonly string[],
  ready: () => Promise<boolean> | boolean,
): Promise<Process> {
  const [name, ...rest] = args as [string, ...string[]];
  const file = join(BUILT, `net/${name}.js`);
  const server = new Process(process.execPath, [file, ...rest], {
    env: { CORONET_BACKEND: backend },
  });
  while (!(await ready())) {
    if (server.ended) throw new Error(`${name} ended: ${server.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return server;
}

async function startAtPort(backend: string, name: string, ...args: string[]): Promise<string> {
  const port = await freePort();
  await start(backend, [name, ...args, `${port}`], () => isServed(port));
  return `${port}`;
}

/** Returns the output of a client program. `input` is its standard input. */
async function output(program: string, args: readonly string[], input = ''): Promise<string> {
  const client = new Process(program, args);
  client.child.stdin?.end(input);
  const { code } = await client.exit;
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${client.stderr}`);
  return client.stdout;
}

/** As `output`, for a client that ends when its input ends, even before the response. */
async function outputBeforeEnd(
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

function makeCertificate(name: string): string[] {
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const args = ['req', ...kind, '-subj', `/CN=${name}`, '-keyout', key, '-out', cert];
  execFileSync('openssl', args, { stdio: 'ignore' });
  return [key, cert];
}

describe.each(backends)('a server of examples/net on %s:', (backend) => {
  endProcesses();

  test.skipIf(!installed('curl'))(
    'http responds to curl, also with a body of one megabyte',
    async () => {
      const port = await startAtPort(backend, 'http');
      const url = `http://127.0.0.1:${port}/hello`;
      expect(await output('curl', ['-sS', url])).toBe('GET /hello\n');
      const body = 'x'.repeat(1_000_000);
      const posted = await output('curl', ['-sS', '--data-binary', '@-', url], body);
      expect(posted.length).toBe('POST /hello\n'.length + body.length);
    },
  );

  test.skipIf(!installed('redis-cli'))('redis responds to redis-cli', async () => {
    const port = await startAtPort(backend, 'redis');
    const redis = (...args: string[]) => output('redis-cli', ['-p', port, ...args]);
    expect(await redis('ping')).toBe('PONG\n');
    expect(await redis('set', 'greeting', 'hello, world')).toBe('OK\n');
    expect(await redis('get', 'greeting')).toBe('hello, world\n');
    expect(await redis('get', 'nothing')).toBe('\n');
    expect(await redis('incr', 'count')).toBe('1\n');
    expect(await redis('exists', 'greeting', 'count', 'nothing')).toBe('2\n');
    expect(await redis('del', 'greeting')).toBe('1\n');
    expect(await redis('frobnicate')).toContain("ERR unknown command 'frobnicate'");
  });

  test.skipIf(!installed('redis-benchmark'))('redis responds to redis-benchmark', async () => {
    const port = await startAtPort(backend, 'redis');
    const args = ['-p', port, '-n', '2000', '-c', '20', '-P', '16', '-t', 'set,get', '--csv'];
    expect(await output('redis-benchmark', args)).toMatch(/"SET","[\d.]+"[\s\S]*"GET","[\d.]+"/);
  });

  test.skipIf(!installed('dig'))('dns responds to dig', async () => {
    const port = await freePort();
    const dig = (name: string) => {
      const args = ['@127.0.0.1', '-p', `${port}`, name, '+time=1', '+tries=8', '+noall'];
      return output('dig', [...args, '+answer', '+comments']);
    };
    const server = await start(backend, ['dns', `${port}`], () => true);
    await server.until('the server listens', () => server.lines.length > 0);
    expect(await dig('router.test')).toMatch(/router\.test\.\s+60\s+IN\s+A\s+192\.0\.2\.1/);
    expect(await dig('nobody.test')).toContain('status: NXDOMAIN');
  });

  test.skipIf(!installed('nc'))('proxy forwards from a Unix socket (nc -U) to a port', async () => {
    const path = join(folder, `proxy-${backend}.sock`);
    const upstream = await startAtPort(backend, 'redis');
    await start(backend, ['proxy', path, `127.0.0.1:${upstream}`], () => isSocket(path));
    expect(await outputBeforeEnd('nc', ['-N', '-U', path], 'PING\r\n')).toBe('+PONG\r\n');
  });

  test.skipIf(!installed('socat'))('proxy forwards the bytes of socat', async () => {
    const upstream = await startAtPort(backend, 'redis');
    const port = await freePort();
    const args = ['proxy', `127.0.0.1:${port}`, `127.0.0.1:${upstream}`];
    await start(backend, args, () => isServed(port));
    const answers = await output(
      'socat',
      ['-t', '5', '-', `TCP:127.0.0.1:${port}`],
      'PING\nPING\n',
    );
    expect(answers).toBe('+PONG\r\n+PONG\r\n');
  });

  test.skipIf(!installed('openssl'))(
    'tls responds to openssl, and reloads its certificate at SIGHUP',
    async () => {
      const [key, cert] = makeCertificate('first.test') as [string, string];
      const port = await freePort();
      const server = await start(backend, ['tls', key, cert, `${port}`], () => isServed(port));
      const greet = () => {
        const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof'];
        return output('openssl', args, 'openssl\n');
      };
      const first = await greet();
      expect(first).toContain('CN = first.test');
      expect(first).toContain('Hello, openssl, over TLSv1.3');
      makeCertificate('second.test');
      server.child.kill('SIGHUP');
      await server.until('the certificate is reloaded', () => server.stdout.includes('reloaded'));
      expect(await greet()).toContain('CN = second.test');
    },
  );
});

function isSocket(path: string): boolean {
  return spawnSync('test', ['-S', path]).status === 0;
}
