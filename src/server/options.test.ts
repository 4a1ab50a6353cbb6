/** The options of a server: what is refused, and what holds where nothing is said. */
import { describe, expect, test } from 'vitest';
import type { Network, NetworkLimits } from '../world/network.ts';
import type { ServerOptions } from './options.ts';
import { checkServerOptions, resolveLimits } from './options.ts';

const handler = () => [];

function networkWith(limits: Partial<NetworkLimits>, pausesAccept = true): Network {
  return { capabilities: { pausesAccept }, limits: () => limits } as unknown as Network;
}

const AMPLE = networkWith({ descriptors: 1000, openDescriptors: 24 });

describe('options of a server', () => {
  test.each<[string, unknown, string]>([
    ['idleTimeoutMs', 0, "Expected `idleTimeoutMs` to be a number > 0 or 'unlimited', got 0"],
    ['idleTimeoutMs', -1, 'got -1 (number)'],
    ['idleTimeoutMs', Number.NaN, 'got NaN'],
    ['firstByteTimeoutMs', 'none', 'to be a number > 0 or \'unlimited\', got "none" (string)'],
    ['sendStallTimeoutMs', null, 'got null (null)'],
    ['maxLifetimeMs', [], 'got [] (array)'],
    ['maxConnections', 0, '`maxConnections`'],
    ['maxConnections', 1.5, 'a whole number'],
    ['maxConnectionsPerPeer', '5', 'got "5" (string)'],
    ['minReceiveRate', 240, 'an object'],
    ['minReceiveRate', { bytesPerSecond: 0 }, '`minReceiveRate.bytesPerSecond`'],
    ['minReceiveRate', { bytesPerSecond: 1, graceMs: Infinity }, '`minReceiveRate.graceMs`'],
    ['minReceiveRate', { bytesPerSecond: 1, grace: 1 }, 'did you mean `graceMs`?'],
    ['maxAcceptRatePerPeer', { count: 0.5, perMs: 1 }, '`maxAcceptRatePerPeer.count`'],
    ['maxAcceptRatePerPeer', { count: 1, perMs: 0 }, '`maxAcceptRatePerPeer.perMs`'],
    ['onClose', 1, 'Expected `onClose` to be a function'],
    ['idleTimeout', 1, 'did you mean `idleTimeoutMs`?'],
  ])('%s: %j is refused', (name, value, message) => {
    expect(() => checkServerOptions(handler, { [name]: value } as ServerOptions)).toThrow(message);
  });

  test('every limit can be turned off, by the word and by Infinity', () => {
    for (const off of ['unlimited', Infinity] as const) {
      const options: ServerOptions = {
        maxConnections: off,
        maxConnectionsPerPeer: off,
        maxAcceptRatePerPeer: 'unlimited',
        firstByteTimeoutMs: off,
        idleTimeoutMs: off,
        sendStallTimeoutMs: off,
        minReceiveRate: 'unlimited',
        maxLifetimeMs: off,
      };
      checkServerOptions(handler, options);
      expect(resolveLimits(options, AMPLE)).toEqual({
        maxConnections: Infinity,
        derived: false,
        perPeer: Infinity,
        acceptRate: null,
        firstByteMs: Infinity,
        idleMs: Infinity,
        sendStallMs: Infinity,
        receiveRate: 0,
        receiveGraceMs: 5000,
        lifetimeMs: Infinity,
        lingerMs: 2000,
      });
    }
  });

  test('what is not said is safe', () => {
    expect(resolveLimits({}, AMPLE)).toEqual({
      maxConnections: 960,
      derived: true,
      perPeer: Infinity,
      acceptRate: null,
      firstByteMs: 60_000,
      idleMs: 300_000,
      sendStallMs: 30_000,
      receiveRate: 0,
      receiveGraceMs: 5000,
      lifetimeMs: Infinity,
      lingerMs: 2000,
    });
  });

  test('the descriptors decide how many connections there may be, where that helps', () => {
    const most = (network: Network) => resolveLimits({}, network).maxConnections;
    expect(most(networkWith({ descriptors: 64, openDescriptors: 30 }))).toBe(18);
    expect(most(networkWith({ descriptors: 20, openDescriptors: 19 }))).toBe(8);
    expect(most(networkWith({ descriptors: Infinity, openDescriptors: 19 }))).toBe(Infinity);
    expect(most(networkWith({}))).toBe(Infinity);
    expect(most(networkWith({ descriptors: 64, openDescriptors: 30 }, false))).toBe(Infinity);
  });
});
