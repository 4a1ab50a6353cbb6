/**
 * Helpers for tests of the epoll network without a scheduler: waiters settle promises. Each test of
 * `describeEpoll` has a new `network`, and fails if it leaves a resource open.
 */
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { loadAddon } from '../../../src/node/addon.ts';
import { epollNetwork } from '../../../src/node/epoll/network.ts';
import type {
  Endpoint,
  ListenerTransport,
  Network,
  Transport,
} from '../../../src/world/network.ts';
import { accept, recv, writable } from './transport-waits.ts';

export { accept, readable, recv, writable } from './transport-waits.ts';

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

export async function connect(to: Endpoint): Promise<Transport> {
  const transport = network.connect(to, {});
  while (!transport.tryConnect()) await writable(transport);
  return transport;
}

export async function recvAll(transport: Transport): Promise<string> {
  let text = '';
  for (;;) {
    const data = await recv(transport);
    if (data.length === 0) return text;
    text += data.toString('latin1');
  }
}

export async function sendAll(transport: Transport, data: Uint8Array): Promise<void> {
  let sent = 0;
  while (sent < data.length) {
    sent += transport.trySend(data.subarray(sent));
    if (sent < data.length) await writable(transport);
  }
}

export interface Pair {
  readonly near: Transport;
  readonly far: Transport;
  readonly listener: ListenerTransport;
}

export async function pair(at: Endpoint = ANY_PORT): Promise<Pair> {
  const listener = network.listen(at, {});
  const near = await connect(listener.local);
  return { near, far: await accept(listener), listener };
}

/** Waits for several turns of the event loop, enough for pending loopback traffic. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resume) => setTimeout(resume, 2));
}

export function portOf(endpoint: Endpoint): number {
  return 'port' in endpoint ? endpoint.port : 0;
}

export function errorOf(body: () => unknown): {
  code?: string;
  message?: string;
  syscall?: string;
} {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  return {};
}
