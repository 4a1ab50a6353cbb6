/** `handOver.http`: servers of node:http and node:http2 behind tcpServer, and their drain. */
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { describe, expect, test } from 'vitest';
import type { Operation, Server, Socket } from '../../../src/index.ts';
import { connect, handOver, once, until } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { closeReasons, untilAllClosed, withServer } from '../../support/servers.ts';
import { endOf, eventually, receiveText } from '../../support/sockets.ts';

type Options = Parameters<typeof withServer>[2];
type Site = ReturnType<typeof createServer>;

/** Runs `body` with a server for `listener`. */
function serving(
  listener: RequestListener,
  body: (server: Server, site: Site) => Operation<void>,
  options: Options = {},
): Operation<void> {
  const site = createServer(listener);
  return withServer(handOver.http(site), (server) => body(server, site), options);
}

const hello: RequestListener = (_request, response) => void response.end('hello');

const REQUEST = 'GET / HTTP/1.1\r\nhost: a.test\r\n\r\n';

/** Sends a request and receives the response, which ends with `end`. */
function* request(client: Socket, end = 'hello'): Operation<string> {
  yield* client.sendAll(REQUEST);
  return yield* receiveUntil(client, end);
}

function* receiveUntil(client: Socket, end: string): Operation<string> {
  let text = '';
  while (!text.endsWith(end)) {
    const data = yield* client.recv();
    if (data.length === 0) throw new Error(`the end of file after ${text}`);
    text += String(data);
  }
  return text;
}

describe.each(backends.filter(({ real }) => real))('handOver.http on $name', (backend) => {
  expectNothingLeft(backend);

  test('requests are served on one connection, and by many connections at once', () =>
    backend.run(() =>
      serving(hello, function* (server): Operation<void> {
        using client = yield* connect(server.address);
        const text = yield* request(client);
        expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: keep-alive/i);
        yield* request(client);
        const url = `http://127.0.0.1:${server.address.port}/`;
        const bodies = Array.from({ length: 20 }, () => fetch(url).then((each) => each.text()));
        expect(new Set(yield* until(Promise.all(bodies)))).toEqual(new Set(['hello']));
        expect(server.stats().accepted).toBeGreaterThan(1);
      }),
    ));

  test('a drain ends idle connections at once, and new ones too', () =>
    backend.run(() =>
      serving(hello, function* (server): Operation<void> {
        using used = yield* connect(server.address);
        yield* request(used);
        using fresh = yield* connect(server.address);
        yield* eventually('both are open', () => server.stats().open === 2);
        server.stop({ graceMs: 20_000 });
        expect(yield* endOf(used)).toBe('end of file');
        expect(yield* endOf(fresh)).toBe('end of file');
        used.close();
        fresh.close();
        yield* untilAllClosed(server);
        expect(closeReasons(server)).toEqual({ drained: 2 });
      }),
    ));

  test('a drain lets a request finish, with `connection: close` in its response', () => {
    const responses: ServerResponse[] = [];
    return backend.run(() =>
      serving(
        (_request, response) => void responses.push(response),
        function* (server): Operation<void> {
          using idle = yield* connect(server.address);
          using client = yield* connect(server.address);
          yield* client.sendAll(REQUEST);
          yield* eventually('the request has arrived', () => responses.length === 1);
          server.stop({ graceMs: 20_000 });
          expect(yield* endOf(idle)).toBe('end of file');
          responses[0]?.end('late');
          expect(yield* receiveText(client)).toMatch(/connection: close[\s\S]*late$/i);
          client.close();
          idle.close();
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ drained: 2 });
        },
      ),
    );
  });

  test('a drain ends the connection after a response that has begun before it', () => {
    const responses: ServerResponse[] = [];
    return backend.run(() =>
      serving(
        (_request, response) => {
          responses.push(response);
          response.write('first ');
        },
        function* (server): Operation<void> {
          using idle = yield* connect(server.address);
          using client = yield* connect(server.address);
          yield* client.sendAll(REQUEST);
          yield* receiveUntil(client, 'first \r\n');
          server.stop({ graceMs: 20_000 });
          expect(yield* endOf(idle)).toBe('end of file');
          responses[0]?.end('second');
          expect(yield* receiveText(client)).toBe('6\r\nsecond\r\n0\r\n\r\n');
        },
      ),
    );
  });

  test('a drain serves a request of which a part has arrived', () =>
    backend.run(() =>
      serving(hello, function* (server): Operation<void> {
        using idle = yield* connect(server.address);
        using client = yield* connect(server.address);
        yield* request(client);
        yield* client.sendAll(REQUEST.slice(0, 20));
        const arrived = REQUEST.length + 20;
        yield* eventually('a part is there', () => server.stats().bytesReceived === arrived);
        server.stop({ graceMs: 20_000 });
        expect(yield* endOf(idle)).toBe('end of file');
        yield* client.sendAll(REQUEST.slice(20));
        expect(yield* receiveText(client)).toMatch(/connection: close[\s\S]*hello$/i);
      }),
    ));

  test('a drain ends a connection of which the program has not read a request body', () =>
    backend.run(() =>
      serving(hello, function* (server): Operation<void> {
        using client = yield* connect(server.address);
        const body = 'x'.repeat(200_000);
        const head = `POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: ${body.length}\r\n\r\n`;
        yield* client.sendAll(head);
        yield* receiveUntil(client, 'hello');
        yield* client.sendAll(body);
        yield* request(client);
        server.stop({ graceMs: 20_000 });
        expect(yield* endOf(client)).toBe('end of file');
      }),
    ));

  test('an upgraded connection belongs to the program, and a drain ends it when it is idle', () =>
    backend.run(() =>
      serving(hello, function* (server, site): Operation<void> {
        site.on('upgrade', (_request, stream) => {
          stream.write('HTTP/1.1 101 Switching Protocols\r\n\r\n');
          stream.pipe(stream);
        });
        using client = yield* connect(server.address);
        const head = 'GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n';
        yield* client.sendAll(head);
        yield* receiveUntil(client, '101 Switching Protocols\r\n\r\n');
        yield* client.sendAll('ping');
        expect(String(yield* client.recv())).toBe('ping');
        server.stop({ graceMs: 20_000 });
        expect(yield* endOf(client)).toBe('end of file');
      }),
    ));

  test('an invalid request gets 400 and is the failure of one connection', () => {
    const errors: unknown[] = [];
    return backend.run(() =>
      serving(
        hello,
        function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* client.sendAll('not http\r\n\r\n');
          expect(yield* receiveText(client)).toMatch(/^HTTP\/1.1 400 Bad Request/);
          client.close();
          yield* untilAllClosed(server);
          expect(errors).toMatchObject([{ code: expect.stringMatching(/^HPE_/) }]);
          using other = yield* connect(server.address);
          yield* request(other);
        },
        { onError: (error) => void errors.push(error) },
      ),
    );
  });

  test('keepAliveTimeout and headersTimeout of the server apply', () => {
    const site = createServer({ connectionsCheckingInterval: 5, keepAliveTimeout: 5 }, hello);
    site.headersTimeout = 400;
    return backend.run(() =>
      withServer(
        handOver.http(site),
        function* (server): Operation<void> {
          using client = yield* connect(server.address);
          yield* request(client);
          expect(yield* endOf(client)).toBe('end of file');
          using slow = yield* connect(server.address);
          yield* slow.sendAll('GET / HTTP/1.1\r\n');
          expect(yield* receiveText(slow)).toMatch(/^HTTP\/1.1 408/);
          site.close();
        },
        { onError: () => {} },
      ),
    );
  });

  test('a client that resets during a response is not a failure of the program', () => {
    const errors: unknown[] = [];
    return backend.run(() =>
      serving(
        (_request, response) => void response.write('begun'),
        function* (server): Operation<void> {
          const client = yield* connect(server.address);
          yield* client.sendAll(REQUEST);
          yield* client.recv();
          client.reset();
          yield* untilAllClosed(server);
          expect(closeReasons(server)).toEqual({ peerReset: 1 });
          expect(errors).toEqual([]);
        },
        { onError: (error) => void errors.push(error) },
      ),
    );
  });

  test('a drain of HTTP/2 sends GOAWAY and finishes the open streams', () => {
    const site = createHttp2();
    const requests: (() => void)[] = [];
    site.on('stream', (stream) => requests.push(() => stream.end('late')));
    return backend.run(() =>
      withServer(handOver.http(site), function* (server): Operation<void> {
        const url = `http://127.0.0.1:${server.address.port}`;
        const idle = connectHttp2(url);
        const idleClosed = once(idle, 'close');
        yield* once(idle, 'remoteSettings');
        const busy = connectHttp2(url);
        const goaway = new Promise((resolve) => busy.on('goaway', resolve));
        const body = bodyOf(busy);
        yield* eventually('the request has arrived', () => requests.length === 1);
        server.stop({ graceMs: 20_000 });
        yield* idleClosed;
        yield* until(goaway);
        requests[0]?.();
        expect(yield* until(body)).toBe('late');
        yield* untilAllClosed(server);
        expect(closeReasons(server)).toEqual({ drained: 2 });
      }),
    );
  });
});

/** Requests '/' and returns the body of the response. */
async function bodyOf(session: ClientHttp2Session): Promise<string> {
  let text = '';
  for await (const chunk of session.request({ ':path': '/' })) text += String(chunk);
  return text;
}

test('handOver.http throws a TypeError for other values, and for servers with TLS', () => {
  const expected = 'Expected `server` to be a server of node:http';
  expect(() => handOver.http(5 as never)).toThrow(expected);
  expect(() => handOver.http(createHttps() as never)).toThrow(expected);
});
