/** The server name in a ClientHello. */
import { once } from 'node:events';
import { Duplex, PassThrough } from 'node:stream';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { peekServername, servernameIn } from './client-hello.ts';

/** The first bytes that a client of node:tls sends. */
async function helloFor(servername: string): Promise<Buffer> {
  const sent = new PassThrough();
  const wire = Duplex.from({ readable: new PassThrough(), writable: sent });
  const client = connect({ socket: wire, servername }).on('error', () => {});
  const [hello] = (await once(sent, 'data')) as [Buffer];
  client.destroy();
  return hello;
}

/** The same message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}

describe('the server name in a ClientHello', () => {
  test('is found once the message is complete, and not before', async () => {
    const hello = await helloFor('a.test');
    for (let length = 0; length < hello.length; length++) {
      expect(servernameIn(hello.subarray(0, length))).toBeUndefined();
    }
    expect(servernameIn(hello)).toBe('a.test');
  });

  test('is found in a message that is in many records', async () => {
    const hello = await helloFor('a.test');
    expect(servernameIn(inRecords(hello, 7))).toBe('a.test');
  });

  test('is empty if the client requests none', async () => {
    expect(servernameIn(await helloFor(''))).toBe('');
  });

  test.each<[string, Buffer]>([
    ['bytes that are not TLS', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['another handshake message', Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0])],
    ['an empty message', Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0])],
    ['a message that never ends', Buffer.alloc(16_384, Buffer.from([22, 3, 1, 0, 0]))],
  ])('is empty in %s', (_what, bytes) => {
    expect(servernameIn(bytes)).toBe('');
  });

  test('is a string or undefined whatever byte of the message is changed', async () => {
    const hello = await helloFor('a.test');
    for (let at = 0; at < hello.length; at++) {
      for (const value of [0, 255]) {
        const changed = Buffer.from(hello);
        changed[at] = value;
        expect(['string', 'undefined']).toContain(typeof servernameIn(changed));
      }
    }
  });

  test('stays in the stream from which it is read', async () => {
    const hello = await helloFor('a.test');
    const stream = new PassThrough();
    const found = new Promise((resolve) => peekServername(stream, resolve));
    for (const byte of hello) stream.write(Buffer.from([byte]));
    expect(await found).toBe('a.test');
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    stream.resume();
    stream.end('after');
    await once(stream, 'end');
    expect(Buffer.concat(received)).toEqual(Buffer.concat([hello, Buffer.from('after')]));
  });
});
