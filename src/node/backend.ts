/** Selects the backend of a run: epoll if the addon loads, otherwise portable. */
import { UsageError } from '../kernel/errors.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import { loadAddon } from './addon.ts';
import { epollNetwork } from './epoll/network.ts';
import { portableNetwork } from './portable/network.ts';

/** The implementation of the network of a run. */
export type Backend = 'epoll' | 'portable';
/** A backend, or 'auto': epoll if it is available, otherwise portable. */
export type BackendChoice = Backend | 'auto';

/** A backend, the reason why it is used (one sentence), and its network. */
export interface BackendDecision {
  readonly backend: Backend;
  readonly reason: string;
  make(owner: NetworkOwner): Network;
}

/**
 * Selects by `choice`, or else by the environment variable CORONET_BACKEND, or else 'auto'. Errors:
 * ERR_BACKEND if the name is unknown or the backend is not available.
 */
export function decideBackend(choice?: BackendChoice): BackendDecision {
  const name: string = choice ?? process.env['CORONET_BACKEND'] ?? 'auto';
  if (name === 'portable') return portable('requested');
  if (name !== 'auto' && name !== 'epoll') throw unknownBackend(name);
  const { addon, reason } = loadAddon();
  if (addon !== undefined) return { backend: 'epoll', reason, make: epollNetwork };
  if (name === 'epoll') {
    throw new UsageError('ERR_BACKEND', `The epoll backend is not available: ${reason}`);
  }
  return portable(reason);
}

function portable(reason: string): BackendDecision {
  return { backend: 'portable', reason, make: portableNetwork };
}

function unknownBackend(name: string): UsageError {
  const text = `Expected the backend to be 'auto', 'epoll' or 'portable', got '${name}'`;
  return new UsageError('ERR_BACKEND', text);
}
