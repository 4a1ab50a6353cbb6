/** Selects the backend of a run: epoll if the addon loads, otherwise portable. */
import { UsageError } from '../kernel/errors.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import { loadAddon } from './addon.ts';
import { epollNetwork } from './epoll/network.ts';
import type { TlsDecision } from './epoll/tls/engine.ts';
import { decideTls } from './epoll/tls/engine.ts';
import { portableNetwork } from './portable/network.ts';
import { warn } from './warnings.ts';

/** The implementation of the network of a run. */
export type Backend = 'epoll' | 'portable';
/** A backend, or 'auto': epoll if it is available, otherwise portable. */
export type BackendChoice = Backend | 'auto';

/** A backend, the reason why it is used (one sentence), and its network. */
export interface BackendDecision {
  readonly backend: Backend;
  readonly reason: string;
  /** The addon did not load on a system that has epoll. */
  readonly isFallback: boolean;
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
  const { addon, reason, files } = loadAddon();
  if (addon !== undefined) return epoll(reason);
  if (name === 'epoll') {
    throw new UsageError('ERR_BACKEND', `The epoll backend is not available: ${reason}`);
  }
  return { ...portable(reason), isFallback: files.length > 0 };
}

let warned = false;

/** Warns once if the portable backend is a fallback: a program is slower with it. */
export function warnOfFallback({ isFallback, reason }: BackendDecision): void {
  if (!isFallback || warned) return;
  warned = true;
  warn(`The portable backend is used. ${reason}`, 'CORONET_PORTABLE');
}

function epoll(reason: string): BackendDecision {
  return { backend: 'epoll', reason, isFallback: false, make: epollNetwork };
}

/** The engine of TLS on the backend that `decideBackend()` selects. Errors: as `decideBackend`. */
export function decideTlsEngine(): TlsDecision {
  const { backend } = decideBackend();
  const { addon } = loadAddon();
  if (backend === 'epoll' && addon !== undefined) return decideTls(addon);
  return { engine: 'node', reason: `the backend is ${backend}` };
}

function portable(reason: string): BackendDecision {
  return { backend: 'portable', reason, isFallback: false, make: portableNetwork };
}

function unknownBackend(name: string): UsageError {
  const text = `Expected the backend to be 'auto', 'epoll' or 'portable', got '${name}'`;
  return new UsageError('ERR_BACKEND', text);
}
