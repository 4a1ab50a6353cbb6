/** The options of a server: invalid values, defaults, and limits that are turned off. */
import { describe, expect, test } from 'vitest';
import type { Network, NetworkLimits } from '../world/network.ts';
import type { ServerOptions } from './options.ts';
import { checkServerOptions, resolveLimits } from './options.ts';

const handler = () => [];

function networkWith(limits: Partial<NetworkLimits>, pausesAccept = true): Network {
  return { capabilities: { pausesAccept }, limits: () => limits } as unknown as Network;
}

const AMPLE = networkWith({ descriptors: 1000, openDescriptors: 24 });

describe('server options', () => {
  test.each<[string, unknown, string]>([
    [
      'idleTimeoutMs',
      0,
      'Expected `idleTimeoutMs` to be a number > 0, or Infinity for no limit, got 0 (number)',
    ],
    ['idleTimeoutMs', -1, 'got -1 (number)'],
    ['idleTimeoutMs', Number.NaN, 'got NaN'],
    ['firstByteTimeoutMs', 'none', 'or Infinity for no limit, got "none" (string)'],
    ['sendStallTimeoutMs', null, 'got null (null)'],
    ['maxLifetimeMs', [], 'got [] (array)'],
    ['maxConnections', 0, '`maxConnections`'],
    ['maxConnections', 1.5, 'a whole number'],
    ['maxConnectionsPerPeer', '5', 'got "5" (string)'],
    ['maxConnections', 'unlimited', 'or Infinity for no limit, got "unlimited" (string)'],
    ['minReceiveRate', 240, 'an object, or Infinity for no limit, got 240 (number)'],
    ['minReceiveRate', 'unlimited', 'or Infinity for no limit, got "unlimited" (string)'],
    ['maxAcceptRatePerPeer', 'unlimited', 'or Infinity for no limit, got "unlimited" (string)'],
    ['minReceiveRate', { bytesPerSecond: 0 }, '`minReceiveRate.bytesPerSecond`'],
    ['minReceiveRate', { bytesPerSecond: 1, graceMs: Infinity }, '`minReceiveRate.graceMs`'],
    ['minReceiveRate', { bytesPerSecond: 1, grace: 1 }, 'did you mean `graceMs`?'],
    ['maxAcceptRatePerPeer', { count: 0.5, perMs: 1 }, '`maxAcceptRatePerPeer.count`'],
    ['maxAcceptRatePerPeer', { count: 1, perMs: 0 }, '`maxAcceptRatePerPeer.perMs`'],
    ['onClose', 1, 'Expected `onClose` to be a function'],
    ['idleTimeout', 1, 'did you mean `idleTimeoutMs`?'],
  ])('%s: %j is rejected', (name, value, message) => {
    expect(() => checkServerOptions(handler, { [name]: value } as ServerOptions)).toThrow(message);
  });

  test('Infinity turns off every limit', () => {
    const options: ServerOptions = {
      maxConnections: Infinity,
      maxConnectionsPerPeer: Infinity,
      maxAcceptRatePerPeer: Infinity,
      firstByteTimeoutMs: Infinity,
      idleTimeoutMs: Infinity,
      sendStallTimeoutMs: Infinity,
      minReceiveRate: Infinity,
      maxLifetimeMs: Infinity,
    };
    checkServerOptions(handler, options);
    expect(resolveLimits(options, AMPLE)).toEqual({
      maxConnections: Infinity,
      maxIsDerived: false,
      maxPerPeer: Infinity,
      acceptRate: null,
      firstByteMs: Infinity,
      idleMs: Infinity,
      sendStallMs: Infinity,
      receiveRate: 0,
      receiveGraceMs: 5000,
      lifetimeMs: Infinity,
      lingerMs: 2000,
    });
  });

  test('the defaults limit the time and number of connections', () => {
    expect(resolveLimits({}, AMPLE)).toEqual({
      maxConnections: 960,
      maxIsDerived: true,
      maxPerPeer: Infinity,
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

  test('maxConnections defaults to the free descriptors if accepting can pause', () => {
    const maximum = (network: Network) => resolveLimits({}, network).maxConnections;
    expect(maximum(networkWith({ descriptors: 64, openDescriptors: 30 }))).toBe(18);
    expect(maximum(networkWith({ descriptors: 20, openDescriptors: 19 }))).toBe(8);
    expect(maximum(networkWith({ descriptors: Infinity, openDescriptors: 19 }))).toBe(Infinity);
    expect(maximum(networkWith({}))).toBe(Infinity);
    expect(maximum(networkWith({ descriptors: 64, openDescriptors: 30 }, false))).toBe(Infinity);
  });
});
