/** The listeners that a supervisor holds for its workers. */
import type { Wait } from '../kernel/operation.ts';
import type { Address } from '../net/address.ts';
import { formatAddress, inheritedFd, parseAddress, SocketAddress } from '../net/address.ts';
import { beginAt } from '../net/listen.ts';
import { currentWorld } from '../net/world.ts';
import type { HeldListeners } from '../world/workers.ts';

export interface Held {
  readonly addresses: readonly SocketAddress[];
  /** What the worker at a place (from 0) inherits: each address as a text, and its descriptor. */
  at(place: number): readonly (readonly [address: string, fd: number])[];
  close(): void;
}

/** Opens listeners for `count` workers at each address: all or none. */
export function* holdAll(addresses: readonly Address[], count: number): Generator<Wait, Held> {
  const held: { readonly text: string; readonly listeners: HeldListeners }[] = [];
  const close = (): void => {
    for (const { listeners } of held) listeners.close();
  };
  let complete = false;
  try {
    for (const address of addresses) held.push(yield* holdAt(address, count));
    complete = true;
  } finally {
    if (!complete) close();
  }
  return {
    addresses: held.map(({ listeners }) => new SocketAddress(listeners.local)),
    at: (place) => held.map(({ text, listeners }) => [text, forPlace(listeners, place)] as const),
    close,
  };
}

function* holdAt(
  address: Address,
  count: number,
): Generator<Wait, { readonly text: string; readonly listeners: HeldListeners }> {
  const { platform } = currentWorld();
  const fd = inheritedFd(address);
  if (fd !== undefined) return { text: `fd:${fd}`, listeners: platform.holdInherited(fd) };
  const parsed = parseAddress(address);
  const listeners = yield* beginAt(parsed, function* (at) {
    return platform.holdListeners(at, count);
  });
  return { text: formatAddress(parsed), listeners };
}

function forPlace({ descriptors }: HeldListeners, place: number): number {
  return descriptors[place % descriptors.length] as number;
}
