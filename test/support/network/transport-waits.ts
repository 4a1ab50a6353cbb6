/** Transports in tests without a scheduler: an operation is a promise. */
import type { Readiness } from '../../../src/kernel/readiness.ts';
import type {
  Endpoint,
  ListenerTransport,
  Network,
  Transport,
} from '../../../src/world/network.ts';

export function readable(resource: Readiness): Promise<void> {
  if (resource.canRecv) return Promise.resolve();
  return new Promise((resolve, reject) => {
    resource.recvWaiter = { notify: () => resolve(), reject };
  });
}

export function writable(resource: Readiness): Promise<void> {
  if (resource.canSend) return Promise.resolve();
  return new Promise((resolve, reject) => {
    resource.sendWaiter = { notify: () => resolve(), reject };
  });
}

export async function listenOn(
  network: Network,
  at: Endpoint,
  options = {},
): Promise<ListenerTransport> {
  const listener = network.listen(at, options);
  while (!listener.tryListen()) await writable(listener);
  return listener;
}

export async function connectOn(network: Network, to: Endpoint, options = {}): Promise<Transport> {
  const transport = network.connect(to, options);
  while (!transport.tryConnect()) await writable(transport);
  return transport;
}

export async function accept(listener: ListenerTransport): Promise<Transport> {
  for (;;) {
    const transport = listener.tryAccept();
    if (transport !== undefined) return transport;
    await readable(listener);
  }
}

export async function recv(transport: Transport, max = 65536): Promise<Buffer> {
  for (;;) {
    const data = transport.tryRecv(max);
    if (data !== undefined) return data;
    await readable(transport);
  }
}

/** Everything up to the end of file. */
export async function recvAll(transport: Transport): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = await recv(transport);
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

export async function sendAll(transport: Transport, data: Uint8Array): Promise<void> {
  for (let sent = 0; sent < data.length; ) {
    sent += transport.trySend(data.subarray(sent));
    if (sent < data.length) await writable(transport);
  }
}

/** Both ends of a connection, and the listener that accepted it, which stays open. */
export interface Pair {
  readonly near: Transport;
  readonly far: Transport;
  readonly listener: ListenerTransport;
}

export async function pairOn(network: Network, at: Endpoint): Promise<Pair> {
  const listener = await listenOn(network, at);
  const near = await connectOn(network, listener.local);
  return { near, far: await accept(listener), listener };
}

/** The port of an endpoint, 0 for a path. */
export function portOf(endpoint: Endpoint): number {
  return 'port' in endpoint ? endpoint.port : 0;
}
