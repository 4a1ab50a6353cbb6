/** Limits of the process, read from /proc. `undefined` on systems without /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import type { NetworkLimits } from '../../world/network.ts';

/** Reads them at each call: descriptors are opened and closed, and limits can change. */
export function readLimits(): NetworkLimits {
  return {
    descriptors: descriptorLimit(),
    openDescriptors: openDescriptors(),
    backlog: maxBacklog(),
  };
}

/** EMFILE is reported at the soft limit. */
function descriptorLimit(): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(readText('/proc/self/limits') ?? '')?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/** The directory includes the descriptor that is used to read it. */
function openDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return undefined;
  }
}

function maxBacklog(): number | undefined {
  const text = readText('/proc/sys/net/core/somaxconn');
  return text === undefined ? undefined : Number(text);
}

/**
 * ListenOverflows: connections that full listen queues have dropped, of all listeners of the
 * network namespace. /proc/net/netstat has a line of names and a line of values for each group
 * (proc_pid_net(5)).
 */
export function readListenOverflows(): number | undefined {
  const lines = (readText('/proc/net/netstat') ?? '').split('\n');
  const [names, values] = lines.filter((line) => line.startsWith('TcpExt:'));
  const at = names?.split(' ').indexOf('ListenOverflows') ?? -1;
  const value = values?.split(' ')[at];
  return value === undefined ? undefined : Number(value);
}

/** The text of a file of /proc; `undefined` if it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
