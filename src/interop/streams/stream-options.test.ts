/** The options of a socket over a stream are those of the stream. */
import { once as eventOf } from 'node:events';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { createServer, connect as netConnect } from 'node:net';
import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import type { Socket } from '../../net/tcp/socket.ts';
import { fromDuplex } from './duplex.ts';
import { fromWebStreams } from './web-streams.ts';

async function withNetSocket(body: (stream: NetSocket) => void): Promise<void> {
  const server = createServer((peer) => peer.on('error', () => {}).resume());
  server.listen(0, '127.0.0.1');
  await eventOf(server, 'listening');
  const stream = netConnect((server.address() as AddressInfo).port, '127.0.0.1');
  try {
    await eventOf(stream, 'connect');
    body(stream);
  } finally {
    stream.destroy();
    server.close();
    await eventOf(server, 'close');
  }
}

const unsupported: readonly ((socket: Socket) => void)[] = [
  (socket) => (socket.userTimeoutMs = 5),
  (socket) => (socket.recvBufferSize = 8192),
  (socket) => (socket.sendBufferSize = 8192),
  (socket) => socket.setKeepAlive({ enable: true, intervalMs: 5 }),
];
const socketOptions: readonly ((socket: Socket) => void)[] = [
  (socket) => (socket.noDelay = false),
  (socket) => socket.setKeepAlive({ enable: true }),
];

describe('a socket over a stream of node:net', () => {
  it('sets the options of the stream and reports the values that were set', async () => {
    await withNetSocket((stream) => {
      const setNoDelay = vi.spyOn(stream, 'setNoDelay');
      const setKeepAlive = vi.spyOn(stream, 'setKeepAlive');
      const socket = fromDuplex(stream);
      socket.noDelay = false;
      socket.setKeepAlive({ enable: true, idleMs: 1500 });
      expect(setNoDelay.mock.calls).toEqual([[false]]);
      expect(setKeepAlive.mock.lastCall).toEqual([true, 2000]);
      expect([socket.noDelay, socket.keepAlive]).toEqual([false, { enable: true, idleMs: 2000 }]);
      socket.close();
    });
  });

  it('throws ERR_UNSUPPORTED for other options and states where to set them', async () => {
    await withNetSocket((stream) => {
      const socket = fromDuplex(stream);
      for (const set of unsupported) {
        expect(() => set(socket)).toThrow(
          expect.objectContaining({
            code: 'ERR_UNSUPPORTED',
            message: expect.stringMatching(/cannot set `\w+`\. Set it where the stream comes from/),
          }),
        );
      }
      expect(socket.keepAlive).toEqual({ enable: false });
      socket.close();
    });
  });
});

describe('a socket over streams without options', () => {
  const kinds: readonly [string, () => Socket][] = [
    ['a Duplex', () => fromDuplex(new PassThrough())],
    ['web streams', () => fromWebStreams(new TransformStream())],
  ];

  it.each(kinds)('%s: setting throws ERR_UNSUPPORTED, reading returns the defaults', (_, make) => {
    const socket = make();
    for (const set of [...unsupported, ...socketOptions]) {
      expect(() => set(socket)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    }
    const { noDelay, keepAlive, userTimeoutMs, recvBufferSize, sendBufferSize } = socket;
    expect([noDelay, keepAlive]).toEqual([true, { enable: false }]);
    expect([userTimeoutMs, recvBufferSize, sendBufferSize]).toEqual([
      ...[undefined, undefined, undefined],
    ]);
    socket.close();
  });

  it.each(kinds)('%s: setting throws ERR_CLOSED after close', (_, make) => {
    const socket = make();
    socket.close();
    for (const set of [...unsupported, ...socketOptions]) {
      expect(() => set(socket)).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
    }
    expect([socket.noDelay, socket.keepAlive]).toEqual([true, { enable: false }]);
  });
});
