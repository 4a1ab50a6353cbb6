/** Selects the engine of TLS on the epoll network: native, or the layer over node:tls. */
import { UsageError } from '../../../kernel/errors.ts';
import type { Addon } from '../../addon.ts';
import { makeContext } from './context.ts';

/** 'native': the addon drives the OpenSSL of Node. 'node': the layer over node:tls. */
export type TlsEngine = 'native' | 'node';

/** An engine, and the reason why it is used (one sentence). */
export interface TlsDecision {
  readonly engine: TlsEngine;
  readonly reason: string;
}

/** The option with which Node writes the keys of its TLS connections to a file. */
const KEYLOG_OPTION = '--tls-keylog';

/**
 * Selects by `choice`, or else by the environment variable CORONET_TLS, or else native TLS if it is
 * available. Errors: ERR_BACKEND if the name is unknown or the engine is not available.
 */
export function decideTls(addon: Addon, choice?: TlsEngine): TlsDecision {
  const name: string = choice ?? process.env['CORONET_TLS'] ?? 'auto';
  if (name === 'node') return { engine: 'node', reason: 'requested' };
  if (name !== 'auto' && name !== 'native') {
    const text = `Expected CORONET_TLS to be 'auto', 'native' or 'node', got '${name}'`;
    throw new UsageError('ERR_BACKEND', text);
  }
  const obstacle = obstacleOf(addon);
  if (obstacle === undefined) return { engine: 'native', reason: opensslVersion() };
  if (name === 'auto') return { engine: 'node', reason: obstacle };
  throw new UsageError('ERR_BACKEND', `Native TLS is not available: ${obstacle}`);
}

/** Why native TLS is not available; `undefined` if it is. */
function obstacleOf(addon: Addon): string | undefined {
  if (logsKeys()) return `${KEYLOG_OPTION} is an option of node:tls`;
  const missing = addon.tlsBegin();
  addon.tlsTake(0);
  if (missing !== '') return `this Node does not export ${missing}`;
  // No authorities: parsing those of Node takes 20 ms.
  const context = makeContext(addon, { ca: [] }, { flags: 0, where: 'tls' });
  return context === undefined ? 'the contexts of this Node cannot be used' : undefined;
}

function logsKeys(): boolean {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''];
  return options.some((option) => option.includes(KEYLOG_OPTION));
}

function opensslVersion(): string {
  return `OpenSSL ${process.versions.openssl}`;
}
