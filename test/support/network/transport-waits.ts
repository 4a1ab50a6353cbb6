/** Transports in tests without a scheduler: waiting for readiness as promises. */
import type { Readiness } from '../../../src/kernel/readiness.ts';
import type { ListenerTransport, Transport } from '../../../src/world/network.ts';

export function readable(resource: Readiness): Promise<void> {
  if (resource.canRecv) return Promise.resolve();
  return new Promise((grant, refuse) => {
    resource.recvWaiter = { notify: grant, reject: refuse };
  });
}

export function writable(resource: Readiness): Promise<void> {
  if (resource.canSend) return Promise.resolve();
  return new Promise((grant, refuse) => {
    resource.sendWaiter = { notify: grant, reject: refuse };
  });
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
