/** ERR_UNSUPPORTED: what a network, a stream or a system cannot do. */
import { UsageError } from './errors.ts';

/** "`who` cannot `what`. `instead`": who it is, what was asked for, what to do about it. */
export function unsupported(who: string, what: string, instead: string): UsageError {
  return new UsageError('ERR_UNSUPPORTED', `${who} cannot ${what}. ${instead}`);
}

/** A network cannot set an option of a connection; see `capabilities.options`. */
export function unsupportedOption(network: string, option: string): UsageError {
  const instead =
    'Leave it out there, or use the epoll network: `coronet doctor` says whether it is to be had.';
  return unsupported(`The ${network} network`, `set \`${option}\``, instead);
}
