import { describe, expect, it } from 'vitest';
import type { Address } from '../address.ts';
import { SocketAddress } from '../address.ts';
import { bytesOf } from '../bytes.ts';
import { endpointOf, parseDestination } from './destination.ts';

describe('the destination of a datagram', () => {
  it('parseDestination accepts the forms of an address', () => {
    const forms: Address[] = ['192.0.2.1:53', { host: '192.0.2.1', port: 53 }];
    forms.push(new SocketAddress({ host: '192.0.2.1', port: 53, family: 4 }));
    for (const form of forms) {
      expect(parseDestination(form, 4)).toEqual({ host: '192.0.2.1', port: 53, family: 4 });
    }
    expect(parseDestination('[::1]:53', 4)).toEqual({ host: '::1', port: 53, family: 6 });
    expect(parseDestination('a.name:53', 6)).toEqual({ host: 'a.name', port: 53, family: 0 });
  });

  it('parseDestination takes the loopback address without a host', () => {
    expect(parseDestination(53, 4)).toEqual({ host: '127.0.0.1', port: 53, family: 4 });
    expect(parseDestination({ port: 53 }, 6)).toEqual({ host: '::1', port: 53, family: 6 });
  });

  it('parseDestination rejects port 0 and paths', () => {
    const unix = new SocketAddress({ path: '/run/x.sock' });
    const codeOf = (address: Address) => () => parseDestination(address, 4);
    const code = (text: string) => expect.objectContaining({ code: text });
    expect(codeOf('192.0.2.1:0')).toThrow(code('ERR_OUT_OF_RANGE'));
    const portZero = new SocketAddress({ host: '192.0.2.1', port: 0, family: 4 });
    expect(codeOf(portZero)).toThrow(code('ERR_OUT_OF_RANGE'));
    expect(codeOf('/run/x.sock')).toThrow(code('ERR_ADDRESS'));
    expect(codeOf(unix)).toThrow(code('ERR_ADDRESS'));
    expect(codeOf('nonsense')).toThrow(code('ERR_ADDRESS'));
  });

  it('endpointOf converts an address to the family of the socket where possible', () => {
    const four = { host: '192.0.2.1', port: 53, family: 4 } as const;
    const mapped = { host: '::ffff:192.0.2.1', port: 53, family: 6 } as const;
    const six = { host: '2001:db8::1', port: 53, family: 6 } as const;
    expect(endpointOf(four, 4)).toEqual(four);
    expect(endpointOf(four, 6)).toEqual(mapped);
    expect(endpointOf(mapped, 4)).toEqual(four);
    expect(endpointOf({ ...mapped, host: '::FFFF:192.0.2.1' }, 4)).toEqual(four);
    expect(endpointOf(mapped, 6)).toEqual(mapped);
    expect(endpointOf(six, 6)).toEqual(six);
    expect(endpointOf(six, 4)).toEqual(six);
  });
});

describe('the bytes of a datagram', () => {
  it('bytesOf returns the bytes of a view or a text, also empty ones', () => {
    expect(String(bytesOf('größer'))).toBe('größer');
    const view = Uint8Array.of(1, 2, 3).subarray(1);
    expect(bytesOf(view)).toBe(view);
    expect(bytesOf(new Uint8Array(0))).toHaveLength(0);
    expect(bytesOf('')).toHaveLength(0);
  });

  it.each<[string, unknown]>([
    ['a detached Uint8Array', detached(new Uint8Array(8))],
    ['a detached Buffer', detached(Buffer.from(new ArrayBuffer(8)))],
    ['undefined', undefined],
    ['null', null],
    ['a number', 5],
    ['an array', [1]],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['an Int16Array', new Int16Array(2)],
  ])('bytesOf rejects %s', (_, data) => {
    const wrong = expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' });
    expect(() => bytesOf(data as Uint8Array)).toThrow(wrong);
  });

  it('bytesOf rejects detached memory also in code that is optimized for resizable buffers', () => {
    const buffer = Reflect.construct(ArrayBuffer, [8, { maxByteLength: 16 }]) as ArrayBuffer;
    const views = [new Uint8Array(buffer), new Uint8Array(8), Buffer.alloc(10_000)] as const;
    for (let i = 0; i < 300_000; i++) bytesOf(views[i % 3] as Uint8Array);
    expect(() => bytesOf(detached(new Uint8Array(8)))).toThrow(TypeError);
  });
});

function detached<T extends Uint8Array>(data: T): T {
  structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
  expect(data.length).toBe(0);
  return data;
}
