/**
 * Helpers for tests of the epoll network without a scheduler: waiters settle promises. Each test of
 * `describeEpoll` has a new `network`, and fails if it leaves a resource open.
 */
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { loadAddon } from '../../../src/node/addon.ts';
import { epollNetwork } from '../../../src/node/epoll/network.ts';
import type { Endpoint, Network, Transport } from '../../../src/world/network.ts';
import type { Pair } from './transport-waits.ts';
import { connectOn, pairOn } from './transport-waits.ts';

export type { Pair } from './transport-waits.ts';
export { accept, portOf, readable, recv, recvAll, sendAll, writable } from './transport-waits.ts';

export const ANY_PORT: Endpoint = { host: '127.0.0.1', port: 0, family: 4 };

const { addon } = loadAddon();

export let network: Network;

/** The number of calls to the owner of the network. */
let deliveries = 0;

export function takeDeliveries(): number {
  const count = deliveries;
  deliveries = 0;
  return count;
}

/** A suite that is skipped if the addon is not available. */
export function describeEpoll(title: string, body: () => void): void {
  describe.runIf(addon !== undefined)(title, () => {
    beforeEach(() => {
      network = makeNetwork();
    });

    afterEach(async () => {
      network.close();
      expect(network.counters()).toEqual({ transports: 0, listeners: 0, datagrams: 0, slabs: 0 });
      await settle();
      expect(addon?.stats()).toEqual({ sockets: 0, handles: 0 });
    });

    body();
  });
}

export function makeNetwork(): Network {
  return epollNetwork({
    deliver(deliverEvents) {
      deliveries += 1;
      deliverEvents();
    },
  });
}

export function connect(to: Endpoint): Promise<Transport> {
  return connectOn(network, to);
}

export function pair(at: Endpoint = ANY_PORT): Promise<Pair> {
  return pairOn(network, at);
}

/** Waits for several turns of the event loop, enough for pending loopback traffic. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resume) => setTimeout(resume, 2));
}
