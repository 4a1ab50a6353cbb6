import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { play } from '../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../test/support/network/scripted-transport.ts';
import { REQUEST } from '../../test/support/websocket.ts';
import { Socket } from '../net/tcp/socket.ts';
import type { WebSocketError } from './errors.ts';
import type { UpgradeRequest } from './request.ts';
import { readUpgrade } from './request.ts';

/** Reads a request from these bytes: it, or the status of the response, or 'end'. */
function read(text: string): { request?: UpgradeRequest; status: number | 'end' | 101 } {
  const transport = new ScriptedTransport();
  transport.feed(Buffer.from(text, 'latin1'));
  transport.finish();
  try {
    const request = play(() => readUpgrade(new Socket(transport)));
    return request === null ? { status: 'end' } : { request, status: 101 };
  } catch (error) {
    const { status = 0 } = error as WebSocketError;
    expect(transport.sentText).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    return { status };
  }
}

/** The request with some of its lines replaced. */
function withLines(changes: Readonly<Record<string, string>>, ...more: readonly string[]): string {
  const lines = REQUEST.map((line) => {
    const name = line.split(/[: ]/)[0] as string;
    return changes[name] ?? line;
  });
  return `${[...lines.filter((line) => line !== ''), ...more].join('\r\n')}\r\n\r\n`;
}

describe('the request of a WebSocket client', () => {
  it('a valid request has its path, query, headers and protocols', () => {
    const { request } = read(
      withLines(
        { GET: 'GET /chat/a%20b?room=1&x HTTP/1.1' },
        'Sec-WebSocket-Protocol: chat.v2, chat.v1',
        'Sec-WebSocket-Protocol: superchat',
        'X-Token:  abc  ',
      ),
    );
    expect(request).toMatchObject({ path: '/chat/a%20b', query: 'room=1&x' });
    expect(request?.protocols).toEqual(['chat.v2', 'chat.v1', 'superchat']);
    expect(request?.header('x-TOKEN')).toBe('abc');
    expect(request?.header('cookie')).toBeUndefined();
  });

  const accepted: Readonly<Record<string, string>> = {
    'the absolute form': withLines({ GET: 'GET http://localhost/chat HTTP/1.1' }),
    'several values of Connection': withLines({ Connection: 'Connection: keep-alive, UPGRADE' }),
    'an upgrade in capitals': withLines({ Upgrade: 'Upgrade: WebSocket' }),
    'a length of 0': withLines({}, 'Content-Length: 0'),
    'an offer of extensions': withLines({}, 'Sec-WebSocket-Extensions: permessage-deflate'),
  };
  for (const [name, text] of Object.entries(accepted)) {
    it(`a request with ${name} is accepted`, () => expect(read(text).status).toBe(101));
  }

  const rejected: readonly (readonly [name: string, text: string, status: number | 'end'])[] = [
    ['another method', withLines({ GET: 'POST / HTTP/1.1' }), 405],
    ['HTTP/1.0', withLines({ GET: 'GET / HTTP/1.0' }), 426],
    ['HTTP/1.2', withLines({ GET: 'GET / HTTP/1.2' }), 400],
    ['HTTP/2.0', withLines({ GET: 'GET / HTTP/2.0' }), 400],
    ['no upgrade', withLines({ Upgrade: '' }), 426],
    ['another upgrade', withLines({ Upgrade: 'Upgrade: h2c' }), 426],
    ['no Connection header', withLines({ Connection: '' }), 400],
    ['version 8', withLines({ 'Sec-WebSocket-Version': 'Sec-WebSocket-Version: 8' }), 426],
    ['two versions', withLines({}, 'Sec-WebSocket-Version: 13'), 426],
    ['no key', withLines({ 'Sec-WebSocket-Key': '' }), 400],
    ['a short key', withLines({ 'Sec-WebSocket-Key': 'Sec-WebSocket-Key: YWJj' }), 400],
    ['two keys', withLines({}, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='), 400],
    ['no Host', withLines({ Host: '' }), 400],
    ['two Hosts', withLines({}, 'Host: other'), 400],
    ['a Host that is a URL', withLines({ Host: 'Host: http://x/' }), 400],
    ['content', withLines({}, 'Content-Length: 5'), 400],
    ['chunked content', withLines({}, 'Transfer-Encoding: chunked'), 400],
    ['an invalid protocol', withLines({}, 'Sec-WebSocket-Protocol: a b'), 400],
    ['a repeated protocol', withLines({}, 'Sec-WebSocket-Protocol: a, a'), 400],
    ['a bare line feed', withLines({}).replaceAll('\r\n', '\n'), 400],
    ['one bare line feed', withLines({}).replace('localhost\r\n', 'localhost\n'), 400],
    ['a bare carriage return', withLines({}, 'X: a\rb'), 400],
    ['an empty line before it', `\r\n${withLines({})}`, 400],
    ['a continued line', withLines({}, 'X: a', ' b'), 400],
    ['a space before the colon', withLines({}, 'X : a'), 400],
    ['a header without a colon', withLines({}, 'X'), 400],
    ['a NUL in a value', withLines({}, 'X: a\0b'), 400],
    ['a fragment in the target', withLines({ GET: 'GET /#a HTTP/1.1' }), 400],
    ['a target that is not a path', withLines({ GET: 'GET chat HTTP/1.1' }), 400],
    ['two spaces in the request line', withLines({ GET: 'GET  / HTTP/1.1' }), 400],
    ['a header of 16 KB', withLines({}, `X: ${'x'.repeat(16_384)}`), 431],
    ['101 headers', withLines({}, ...Array.from({ length: 101 }, (_, i) => `X${i}: 1`)), 431],
    ['an end in the middle', withLines({}).slice(0, 60), 'end'],
    ['nothing', '', 'end'],
  ];
  for (const [name, text, status] of rejected) {
    it(`a request with ${name} is ${status === 'end' ? 'the end' : status}`, () => {
      expect(read(text).status).toBe(status);
    });
  }

  describe('compared with node:http', () => {
    let server: Server;
    beforeAll(async () => {
      server = createServer((_request, response) => response.end());
      server.on('upgrade', (_request, socket) => {
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      });
      server.on('clientError', (_error, socket) => {
        if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      });
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
    });
    afterAll(() => {
      server.close();
      server.closeAllConnections();
    });

    function statusOfNode(text: string): Promise<number> {
      return new Promise((resolve, reject) => {
        const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
        let answer = '';
        socket.on('data', (data) => {
          answer += data;
        });
        socket.on('error', reject);
        socket.on('close', () => resolve(Number(answer.slice(9, 12))));
        socket.end(Buffer.from(text, 'latin1'));
      });
    }

    for (const [name, text] of [...Object.entries(accepted), ...rejected]) {
      it(`a request with ${name} is not accepted if node:http rejects it`, async () => {
        const node = await statusOfNode(text);
        if (node >= 400) expect(read(text).status).not.toBe(101);
        // The corpus does not miss its purpose: node:http accepts the valid ones.
        if (text === withLines({})) expect(node).toBe(101);
      });
    }
  });
});
