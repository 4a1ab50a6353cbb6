/** What the simulated network can and cannot do, and its bounds. */
import { unsupported } from '../../kernel/unsupported.ts';
import type { Capabilities } from '../../world/network.ts';
import { SIM_OPTIONS } from './options.ts';

export const CAPABILITIES: Capabilities = {
  pausesAccept: true,
  exactTorn: true,
  batchedAccept: true,
  reusePort: true,
  options: SIM_OPTIONS,
  abstractNames: true,
  tls: false,
  batchedDatagrams: false,
  sendsAtOnce: true,
  exactDropped: true,
};

/** Descriptors that a program of the model may have open. */
export const MOST_DESCRIPTORS = 65_536;
/** Standard input, output and error. */
export const STANDARD_DESCRIPTORS = 3;

/** The answer to who asks for TLS in spite of `capabilities.tls`. */
export function withoutTls(): unknown {
  return unsupported('A simulated network', 'carry TLS', 'Test the program without it.');
}
