/** The parts of the npm package `ws` that coronet/ws relies on and that `ws` does not document. */
import { describe, expect, it } from 'vitest';
import type { WebSocketReceiver } from '../../world/websocket.ts';
import { clientFrame, serverFrame } from '../../ws/frame.ts';
import { websocketEngine } from './websocket-engine.ts';

interface Recorded {
  readonly receiver: WebSocketReceiver;
  readonly events: unknown[];
}

function record(isServer: boolean, maxBytes = 1000, maxFragments = 4): Recorded {
  const events: unknown[] = [];
  const receiver = websocketEngine.createReceiver(
    { isServer, maxBytes, maxFragments },
    {
      onMessage: (data, isBinary) => events.push([isBinary ? 'binary' : 'text', String(data)]),
      onPing: (data) => events.push(['ping', String(data)]),
      onPong: () => events.push(['pong']),
      onClose: (code, reason) => events.push(['close', code, reason]),
    },
  );
  return { receiver, events };
}

function frame(payload: string, opcode: number, mask?: Uint8Array): Buffer {
  if (mask !== undefined) return Buffer.from(clientFrame(payload, opcode, mask));
  return Buffer.concat(serverFrame(payload, opcode));
}

const MASK = Uint8Array.of(1, 2, 3, 4);

describe('the parser of ws', () => {
  it('reports each event within the write that completes its frame', () => {
    const { receiver, events } = record(true);
    const bytes = Buffer.concat([
      frame('text', 1, MASK),
      frame('binary', 2, MASK),
      frame('ping', 9, MASK),
      frame('', 10, MASK),
    ]);
    expect(receiver.write(bytes.subarray(0, 12))).toBeNull();
    expect(events).toEqual([['text', 'text']]);
    expect(receiver.write(bytes.subarray(12))).toBeNull();
    expect(events.slice(1)).toEqual([['binary', 'binary'], ['ping', 'ping'], ['pong']]);
  });

  it('reports a close frame with its code, and 1005 for one without a code', () => {
    const plain = record(false);
    expect(plain.receiver.write(Buffer.from([0x88, 5, 3, 0xe8, 98, 121, 101]))).toBeNull();
    expect(plain.events).toEqual([['close', 1000, 'bye']]);
    const empty = record(false);
    empty.receiver.write(Buffer.from([0x88, 0]));
    expect(empty.events).toEqual([['close', 1005, '']]);
  });

  it('rejects a length above the limit when it has the header only', () => {
    const { receiver, events } = record(false, 1000);
    const fault = receiver.write(Buffer.from([0x82, 126, 0x03, 0xe9]));
    expect(fault).toEqual({ message: 'Max payload size exceeded', closeCode: 1009 });
    expect(events).toEqual([]);
  });

  it('reports a fault at once, with the close code for it', () => {
    for (const [bytes, code] of [
      [[0x83, 0], 1002],
      [[0x81, 1, 0xff], 1007],
      [[0x81, 0x80, 1, 2, 3, 4], 1002],
    ] as const) {
      const { receiver } = record(false);
      expect(receiver.write(Buffer.from(bytes))?.closeCode).toBe(code);
      expect(receiver.write(Buffer.from([0x81, 0]))?.closeCode).toBe(code);
    }
  });

  it('leaves a payload as it is whose key is 0, and accepts the frame as masked', () => {
    const { receiver, events } = record(true);
    const payload = 'x'.repeat(500);
    expect(receiver.write(frame(payload, 1, Uint8Array.of(0, 0, 0, 0)))).toBeNull();
    expect(events).toEqual([['text', payload]]);
  });

  it('joins fragments, and rejects more than the limit with 1008', () => {
    const { receiver, events } = record(false);
    const part = (first: number) => Buffer.from([first, 1, 97]);
    for (const first of [0x01, 0x00, 0x80]) receiver.write(part(first));
    expect(events).toEqual([['text', 'aaa']]);
    for (const first of [0x01, 0x00, 0x00, 0x00]) receiver.write(part(first));
    expect(receiver.write(part(0x80))?.closeCode).toBe(1008);
  });
});

it('the accept key is that of RFC 6455, section 1.3', () => {
  expect(websocketEngine.acceptKey('dGhlIHNhbXBsZSBub25jZQ==')).toBe(
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
  );
});
