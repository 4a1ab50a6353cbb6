/** WebSocket connections with independent implementations at the other end. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket as UndiciWebSocket } from 'undici';
import { describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Operation } from '../../../src/index.ts';
import { once, until } from '../../../src/index.ts';
import { connectWs } from '../../../src/ws.ts';
import { realBackends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import { endProcesses, Process } from '../../support/process/process.ts';
import { eventually, failure } from '../../support/sockets.ts';
import { SERVER, TRUSTING } from '../../support/tls.ts';
import { echoMessages, withWsServer } from '../../support/websocket.ts';

endProcesses();

function missing(program: string, ...args: readonly string[]): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).status !== 0;
}

/** A Python with the package websockets; Debian installs it for its own Python. */
const python = ['python3', '/usr/bin/python3'].find(
  (program) => !missing(program, '-c', 'import websockets'),
);
const withoutChromium = missing('chromium', '--version');

/** Sends text of each kind, expects it back, and closes with 4000. */
const PYTHON = `
import asyncio, sys, websockets
async def main(url):
    async with websockets.connect(url, subprotocols=['v2', 'v1'], max_size=None) as ws:
        assert ws.subprotocol == 'v1', ws.subprotocol
        for message in ['', 'héllo', 'x' * 70000, b'\\0\\1', b'y' * 200000]:
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(['frag', 'ments'])
        assert await ws.recv() == 'fragments'
        await asyncio.wait_for(await ws.ping(b'are you there'), 10)
        await ws.close(4000, 'done')
        print(ws.close_code)
asyncio.run(main(sys.argv[1]))
`;

for (const backend of realBackends) {
  describe(`a WebSocket server on ${backend.name}`, () => {
    it('serves the client of ws, with its pings and its fragments', () => {
      return backend.run(() =>
        withWsServer(
          echoMessages,
          function* (_server, url): Operation<void> {
            const client = new WebSocket(url, ['v1'], { perMessageDeflate: true });
            yield* once(client, 'open');
            expect([client.protocol, client.extensions]).toEqual(['v1', '']);
            client.send('one ', { fin: false });
            client.send('two', { fin: true });
            const [text] = yield* once(client, 'message');
            expect(String(text)).toBe('one two');
            client.send(pattern(300_000));
            const [data] = yield* once(client, 'message');
            expect((data as Buffer).equals(pattern(300_000))).toBe(true);
            client.ping('x');
            expect(String((yield* once(client, 'pong'))[0])).toBe('x');
            client.close(4001, 'enough');
            expect((yield* once(client, 'close'))[0]).toBe(4001);
          },
          { protocols: ['v1'] },
        ),
      );
    });

    it('serves the client of undici, which browsers use the interface of', () => {
      return backend.run(() =>
        withWsServer(echoMessages, function* (_server, url): Operation<void> {
          const client = new UndiciWebSocket(url);
          const closed = new Promise<number>((resolve) => {
            client.addEventListener('close', ({ code }) => resolve(code));
          });
          const answer = new Promise<unknown>((resolve) => {
            client.addEventListener('message', ({ data }) => resolve(data));
            client.addEventListener('open', () => client.send('héllo'));
          });
          expect(yield* until(answer)).toBe('héllo');
          client.close(1000);
          expect(yield* until(closed)).toBe(1000);
        }),
      );
    });

    it.skipIf(python === undefined)('serves the client of the Python package websockets', () => {
      return backend.run(() =>
        withWsServer(
          echoMessages,
          function* (_server, url): Operation<void> {
            const client = new Process(python as string, ['-c', PYTHON, url]);
            const { code } = yield* until(client.exit);
            expect(client.stderr).toBe('');
            expect([code, client.stdout.trim()]).toEqual([0, '4000']);
          },
          { protocols: ['v1'] },
        ),
      );
    });

    it('rejects a page of another origin, unless origins allow it', () => {
      return backend.run(function* () {
        for (const [origins, origin, status] of [
          [undefined, 'https://evil.example', 403],
          ['same-host', 'null', 403],
          ['*', 'https://evil.example', 101],
          [['https://good.example'], 'https://good.example', 101],
          [['https://good.example'], 'https://evil.example', 403],
          [(value: string) => value.endsWith('.example'), 'https://x.example', 101],
        ] as const) {
          yield* withWsServer(
            echoMessages,
            function* (_server, url): Operation<void> {
              const headers = { Origin: origin };
              if (status === 101) {
                using ws = yield* connectWs(url, { headers });
                yield* ws.close();
              } else {
                const error = yield* failure(() => connectWs(url, { headers }));
                expect(error).toMatchObject({ code: 'ERR_WS_HANDSHAKE', status });
              }
            },
            origins === undefined ? {} : { origins },
          );
        }
      });
    });

    it('serves TLS', () => {
      return backend.run(() =>
        withWsServer(
          echoMessages,
          function* (_server, url): Operation<void> {
            const secure = url.replace('ws:', 'wss:').replace('127.0.0.1', 'localhost');
            using ws = yield* connectWs(secure, { tls: TRUSTING });
            yield* ws.send('secret');
            expect(yield* ws.receive()).toBe('secret');
            yield* ws.close();
          },
          { tls: SERVER },
        ),
      );
    });
  });

  describe(`a WebSocket client on ${backend.name}`, () => {
    it('talks to the server of ws', () => {
      return backend.run(function* () {
        const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
        server.on('connection', (peer, request) => {
          peer.send(`welcome ${request.headers['x-name']}`);
          peer.on('message', (data, isBinary) => peer.send(data, { binary: isBinary }));
          peer.on('close', (code) => server.emit('code', code));
        });
        yield* once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        const code = new Promise((resolve) => {
          server.once('code', resolve);
        });
        using ws = yield* connectWs(`ws://127.0.0.1:${port}/`, {
          headers: { 'X-Name': 'coronet' },
        });
        expect(yield* ws.receive()).toBe('welcome coronet');
        for (const message of ['héllo', pattern(100_000)]) {
          yield* ws.send(message);
          expect(yield* ws.receive()).toEqual(message);
        }
        yield* ws.close(4002);
        expect(yield* until(code)).toBe(4002);
        server.close();
      });
    });

    it('reports the status of a server that is not a WebSocket server', () => {
      return backend.run(function* () {
        const server = createServer((_request, response) => {
          response.statusCode = 403;
          response.end();
        });
        server.listen(0, '127.0.0.1');
        yield* once(server, 'listening');
        const { port } = server.address() as AddressInfo;
        const error = yield* failure(() => connectWs(`ws://127.0.0.1:${port}/`));
        expect(error).toMatchObject({ code: 'ERR_WS_HANDSHAKE', status: 403 });
        server.close();
      });
    });
  });
}

/** A page that sends text and bytes, and reports the answers and the close code in a request. */
const PAGE = `<meta charset="utf-8"><script>
const ws = new WebSocket('URL');
ws.binaryType = 'arraybuffer';
const seen = [];
ws.onopen = () => { ws.send('héllo'); ws.send(new Uint8Array(70000)); };
ws.onmessage = ({ data }) => {
  seen.push(data.byteLength ?? data);
  if (seen.length === 2) ws.close(4003, 'done');
};
ws.onclose = ({ code }) => { new WebSocket('URL?' + encodeURIComponent([...seen, code])); };
</script>`;

it.skipIf(withoutChromium)(
  'a page in Chromium talks to a WebSocket server',
  async () => {
    const profile = mkdtempSync(join(tmpdir(), 'coronet-chromium-'));
    const file = join(profile, 'page.html');
    const reports: string[] = [];
    let browser: Process | undefined;
    try {
      await (realBackends[0] as (typeof realBackends)[number]).run(() =>
        withWsServer(
          function* (ws, request): Operation<void> {
            if (request.query !== '') reports.push(decodeURIComponent(request.query));
            yield* echoMessages(ws);
          },
          function* (_server, url): Operation<void> {
            writeFileSync(file, PAGE.replaceAll('URL', url));
            browser = new Process('chromium', [
              ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic'],
              ...['--no-first-run', '--disable-background-networking', '--disable-sync'],
              ...['--disable-component-update', `--user-data-dir=${profile}`],
              ...['--remote-debugging-port=0', `file://${file}`],
            ]);
            yield* eventually('the page has reported', () => reports.length > 0);
            expect(reports).toEqual(['héllo,70000,4003']);
          },
          { origins: '*' },
        ),
      );
    } finally {
      browser?.kill();
      await browser?.exit;
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  },
  60_000,
);
