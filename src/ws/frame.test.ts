import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { clientFrame, serverFrame } from './frame.ts';

const { Sender } = createRequire(import.meta.url)('ws') as {
  Sender: { frame(data: Buffer, options: object): Buffer[] };
};

const LENGTHS = [0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 200_000];

/** The frame of the package `ws`, which is the reference. */
function expectedFrame(payload: Buffer, opcode: number, key?: Uint8Array): Buffer {
  const options = {
    fin: true,
    opcode,
    readOnly: true,
    mask: key !== undefined,
    maskBuffer: key,
    generateMask: () => undefined,
  };
  return Buffer.concat(Sender.frame(payload, options));
}

describe('the frame of a server', () => {
  for (const length of LENGTHS) {
    it(`a frame with ${length} bytes equals that of ws`, () => {
      const payload = Buffer.alloc(length, 'é');
      const frame = Buffer.concat(serverFrame(payload, 2));
      expect(frame.equals(expectedFrame(payload, 2))).toBe(true);
    });
  }

  it('text is encoded as UTF-8', () => {
    const text = 'grüße 🙂'.repeat(50);
    const expected = expectedFrame(Buffer.from(text), 1);
    expect(Buffer.concat(serverFrame(text, 1)).equals(expected)).toBe(true);
  });

  it('a large payload is not copied', () => {
    const payload = Buffer.alloc(5000);
    expect(serverFrame(payload, 2)[1]).toBe(payload);
  });
});

describe('the frame of a client', () => {
  const key = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

  for (const length of LENGTHS) {
    it(`a frame with ${length} bytes equals that of ws`, () => {
      const payload = Buffer.alloc(length, 'é');
      const frame = Buffer.from(clientFrame(payload, 2, key));
      expect(frame.equals(expectedFrame(payload, 2, key))).toBe(true);
    });
  }

  it('text is masked as in the example of RFC 6455, section 5.7', () => {
    const frame = Buffer.from(clientFrame('Hello', 1, key));
    expect(frame.toString('hex')).toBe('818537fa213d7f9f4d5158');
  });

  it('the payload of the caller is not changed', () => {
    const payload = Buffer.alloc(100, 'a');
    clientFrame(payload, 2, key);
    expect(String(payload)).toBe('a'.repeat(100));
  });
});
