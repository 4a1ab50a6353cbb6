/** Which network a run gets, and why: epoll where the addon loads, otherwise portable. */
import { UsageError } from '../kernel/errors.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import { loadAddon } from './addon.ts';
import { epollNetwork } from './epoll/network.ts';
import { portableNetwork } from './portable/network.ts';

/** What carries the sockets of a run. */
export type Backend = 'epoll' | 'portable';
/** A backend, or 'auto' for epoll where it is to be had. */
export type BackendChoice = Backend | 'auto';

/** A backend, and one sentence about why it is used. */
export interface BackendDecision {
  readonly backend: Backend;
  readonly reason: string;
}

/**
 * Decides by `choice`, or else by the environment variable CORONET_BACKEND, or else by itself.
 * Errors: ERR_BACKEND if the choice is none of the known ones, or is not to be had here.
 */
export function decideBackend(choice?: BackendChoice): BackendDecision {
  const wanted: string = choice ?? process.env['CORONET_BACKEND'] ?? 'auto';
  if (wanted === 'portable') return { backend: 'portable', reason: 'it was asked for' };
  if (wanted !== 'auto' && wanted !== 'epoll') throw unknownBackend(wanted);
  const { addon, reason } = loadAddon();
  if (addon !== undefined) return { backend: 'epoll', reason };
  if (wanted === 'epoll') {
    throw new UsageError('ERR_BACKEND', `The epoll backend cannot be used here: ${reason}`);
  }
  return { backend: 'portable', reason };
}

/** Makes the network that was decided for. */
export function makeNetwork(backend: Backend, owner: NetworkOwner): Network {
  return backend === 'epoll' ? epollNetwork(owner) : portableNetwork(owner);
}

function unknownBackend(wanted: string): UsageError {
  const text = `Expected the backend to be 'auto', 'epoll' or 'portable', got '${wanted}'`;
  return new UsageError('ERR_BACKEND', text);
}
