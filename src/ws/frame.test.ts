import { describe, expect, it } from 'vitest';
import { websocketEngine } from '../node/peers/websocket-engine.ts';
import { serverFrame } from './frame.ts';

describe('the frame of a server', () => {
  for (const length of [0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 200_000]) {
    it(`a frame with ${length} bytes equals that of the engine`, () => {
      const payload = Buffer.alloc(length, 'é');
      const expected = Buffer.concat(websocketEngine.frame(payload, 2));
      expect(Buffer.concat(serverFrame(payload, 2)).equals(expected)).toBe(true);
    });
  }

  it('text is encoded as UTF-8', () => {
    const text = 'grüße 🙂'.repeat(50);
    const expected = Buffer.concat(websocketEngine.frame(Buffer.from(text), 1));
    expect(Buffer.concat(serverFrame(text, 1)).equals(expected)).toBe(true);
  });

  it('a large payload is not copied', () => {
    const payload = Buffer.alloc(5000);
    expect(serverFrame(payload, 2)[1]).toBe(payload);
  });
});
