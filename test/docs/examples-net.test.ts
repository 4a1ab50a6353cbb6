/** The servers of examples/net with independent clients, as far as they are installed. */
import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { isServed } from '../support/process/coronet-command.ts';
import { freePort } from '../support/process/free-port.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import {
  ExamplePrograms,
  exampleBackends,
  installed,
  output,
  outputBeforeEnd,
} from './example-programs.ts';
import { ROOT } from './examples-build.ts';

const examples = new ExamplePrograms('examples-net', 'net');

const CHECK_PYTHON = 'import sys; sys.exit(sys.version_info < (3, 11))';
const isPython311 = spawnSync('python3', ['-c', CHECK_PYTHON]).status === 0;

describe.each(exampleBackends)('a server of examples/net on %s:', (backend) => {
  endProcesses();

  test.skipIf(!installed('curl'))(
    'http responds to curl, also with a body of one megabyte',
    async () => {
      const port = await examples.startAtPort(backend, 'http');
      const url = `http://127.0.0.1:${port}/hello`;
      expect(await output('curl', ['-sS', url])).toBe('GET /hello\n');
      const body = 'x'.repeat(1_000_000);
      const posted = await output('curl', ['-sS', '--data-binary', '@-', url], body);
      expect(posted.length).toBe('POST /hello\n'.length + body.length);
    },
  );

  test.skipIf(!installed('redis-cli'))('redis responds to redis-cli', async () => {
    const port = await examples.startAtPort(backend, 'redis');
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
    const port = await examples.startAtPort(backend, 'redis');
    const args = ['-p', port, '-n', '2000', '-c', '20', '-P', '16', '-t', 'set,get', '--csv'];
    expect(await output('redis-benchmark', args)).toMatch(/"SET","[\d.]+"[\s\S]*"GET","[\d.]+"/);
  });

  test.skipIf(!installed('dig'))('dns responds to dig', async () => {
    const port = await freePort();
    const dig = (name: string) => {
      const args = ['@127.0.0.1', '-p', `${port}`, name, '+time=1', '+tries=8', '+noall'];
      return output('dig', [...args, '+answer', '+comments']);
    };
    const server = await examples.start(backend, ['dns', `${port}`], () => true);
    await server.until('the server listens', () => server.lines.length > 0);
    expect(await dig('router.test')).toMatch(/router\.test\.\s+60\s+IN\s+A\s+192\.0\.2\.1/);
    expect(await dig('nobody.test')).toContain('status: NXDOMAIN');
  });

  test.skipIf(!installed('nc'))('proxy forwards from a Unix socket (nc -U) to a port', async () => {
    const path = join(examples.folder, `proxy-${backend}.sock`);
    const upstream = await examples.startAtPort(backend, 'redis');
    await examples.start(backend, ['proxy', path, `127.0.0.1:${upstream}`], () => isSocket(path));
    expect(await outputBeforeEnd('nc', ['-N', '-U', path], 'PING\r\n')).toBe('+PONG\r\n');
  });

  test.skipIf(!installed('socat'))('proxy forwards the bytes of socat', async () => {
    const upstream = await examples.startAtPort(backend, 'redis');
    const port = await freePort();
    const args = ['proxy', `127.0.0.1:${port}`, `127.0.0.1:${upstream}`];
    await examples.start(backend, args, () => isServed(port));
    const answers = await output(
      'socat',
      ['-t', '5', '-', `TCP:127.0.0.1:${port}`],
      'PING\nPING\n',
    );
    expect(answers).toBe('+PONG\r\n+PONG\r\n');
  });

  test('proxy passes a reset of either side on, and not as an end of file', async () => {
    const served = new EventEmitter<{ request: [Socket] }>();
    const upstream = createServer((socket) => {
      socket.once('data', () => served.emit('request', socket));
      socket.write('a half');
    }).listen(0, '127.0.0.1');
    await once(upstream, 'listening');
    const port = await freePort();
    const { port: upstreamPort } = upstream.address() as AddressInfo;
    const args = ['proxy', `127.0.0.1:${port}`, `127.0.0.1:${upstreamPort}`];
    const proxy = await examples.start(backend, args, () => isServed(port));
    for (const aborted of [0, 1]) {
      const client = connect(port, '127.0.0.1', () => client.write('a half'));
      const both = Promise.all([once(served, 'request'), once(client, 'data')]);
      const [[server]] = (await both) as [[Socket], unknown];
      const ends = [server, client];
      const failure = once(ends[1 - aborted] as Socket, 'error');
      ends[aborted]?.resetAndDestroy();
      expect(await failure).toMatchObject([{ code: 'ECONNRESET' }]);
    }
    const isReported = (): boolean => /failed: .*ECONNRESET/.test(proxy.stderr);
    await proxy.until('the reset of the server is reported', isReported);
    upstream.close();
  });

  test.skipIf(!installed('openssl'))(
    'tls responds to openssl, and reloads its certificate at SIGHUP',
    async () => {
      const [key, cert] = examples.makeCertificate('first.test');
      const port = await freePort();
      const server = await examples.start(backend, ['tls', key, cert, `${port}`], () =>
        isServed(port),
      );
      const greet = () => {
        const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-ign_eof'];
        return output('openssl', args, 'openssl\n');
      };
      const first = await greet();
      expect(first).toContain('CN = first.test');
      expect(first).toContain('Hello, openssl, over TLSv1.3');
      examples.makeCertificate('second.test');
      server.child.kill('SIGHUP');
      await server.until('the certificate is reloaded', () => server.stdout.includes('reloaded'));
      expect(await greet()).toContain('CN = second.test');
    },
  );

  test.skipIf(!installed('curl'))('socks connects curl to an http server', async () => {
    const site = await examples.startAtPort(backend, 'http');
    const port = await examples.startAtPort(backend, 'socks');
    for (const [kind, host] of [
      ['--socks5-hostname', 'localhost'],
      ['--socks5', '127.0.0.1'],
    ] as const) {
      const args = ['-sS', kind, `127.0.0.1:${port}`, `http://${host}:${site}/through`];
      expect(await output('curl', args)).toBe('GET /through\n');
    }
    const refused = `http://127.0.0.1:${await freePort()}/`;
    const args = ['-sS', '--socks5', `127.0.0.1:${port}`, refused];
    await expect(output('curl', args)).rejects.toThrow('ended with 97');
  });

  test.skipIf(!installed('openssl'))('smtp starts TLS for openssl', async () => {
    const [key, cert] = examples.makeCertificate('mail.test');
    const port = await examples.startAtPort(backend, 'smtp', key, cert);
    const connecting = ['-connect', `127.0.0.1:${port}`, '-starttls', 'smtp', '-CAfile', cert];
    const args = ['s_client', ...connecting, '-quiet', '-crlf', '-verify_return_error'];
    const mail = 'EHLO a\nMAIL FROM:<a>\nRCPT TO:<b>\nDATA\nsubject: x\n\nhello\n.\nQUIT\n';
    const answers = await output('openssl', args, mail);
    expect(answers).toContain('8BITMIME');
    expect(answers).toContain('250 Accepted 21 bytes');
    expect(answers).toContain('221 Bye');
  });

  test.skipIf(!installed('openssl'))(
    'the recipe client-certificates serves only a client with a certificate',
    async () => {
      const identity = examples.makeCertificate('localhost');
      const args = ['../recipes/client-certificates', ...identity];
      const program = await examples.start(backend, args, () => true);
      expect(await program.exit).toEqual({ code: 0, signal: null });
      expect(program.stdout).toBe('Hello, localhost\nnot accepted\nfailed handshakes: 1\n');
    },
  );

  test('the line server of the "Coming from" pages responds, and ends at SIGTERM', async () => {
    const port = await freePort();
    const args = ['../coming-from/shout', `${port}`];
    const server = await examples.start(backend, args, () => isServed(port));
    await shoutAndStop(server, port);
  });
});

describe('the line server of a "Coming from" page:', () => {
  endProcesses();

  test.skipIf(!isPython311)('in Python with asyncio responds, and ends at SIGTERM', async () => {
    const port = await freePort();
    const file = join(ROOT, 'examples/coming-from/shout-asyncio.py');
    const server = new Process('python3', [file, `${port}`]);
    while (!server.ended && !(await isServed(port))) await delay(20);
    await shoutAndStop(server, port);
  });
});

async function shoutAndStop(server: Process, port: number): Promise<void> {
  const client = connect(port, '127.0.0.1', () => client.write('hello\n'));
  expect(String(await once(client, 'data'))).toBe('HELLO\n');
  client.end();
  await once(client, 'close');
  server.child.kill('SIGTERM');
  expect(await server.exit).toEqual({ code: 0, signal: null });
}

function isSocket(path: string): boolean {
  return spawnSync('test', ['-S', path]).status === 0;
}
