/**
 * Listening sockets that a service manager has opened for the program, by the protocol of systemd
 * (sd_listen_fds(3)): LISTEN_FDS descriptors from 3 on, named in LISTEN_FDNAMES, for the process
 * LISTEN_PID alone.
 */

import { currentWorld } from '../net/current-world.ts';
import { outOfRange, wrongType } from '../support/checks.ts';
import type { Platform } from '../world/platform.ts';

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
/** More than any unit has; it bounds what a wrong number makes us build. */
const MAX_FDS = 4096;
/** What sd_listen_fds_with_names(3) calls a descriptor without a name. */
const UNKNOWN_NAME = 'unknown';

/** A listening socket that the program was started with; `listen` and `tcpServer` take it. */
export interface InheritedListener {
  /** The descriptor. */
  readonly fd: number;
  /** FileDescriptorName= of its .socket unit: by default the name of the unit. */
  readonly name: string;
}

/** What a process was given, once it was asked for: the variables are gone then. */
const taken = new WeakMap<Platform, readonly InheritedListener[]>();

/**
 * The listening sockets that systemd (or whoever speaks its protocol) has opened for this process,
 * in their order; with `name` those of that name. None where the process was started otherwise.
 * `yield* listen(inherited)` takes one over. The variables LISTEN_* are taken away, so that they
 * mislead no child. To be called in a task.
 *
 * Errors: RangeError for a LISTEN_FDS that is no number; ERR_NO_TASK.
 */
export function inheritedListeners(name?: string): readonly InheritedListener[] {
  if (name !== undefined && typeof name !== 'string') throw wrongType('name', 'a string', name);
  const { platform } = currentWorld();
  const all = taken.get(platform) ?? readInherited(platform);
  taken.set(platform, all);
  return name === undefined ? all : all.filter((listener) => listener.name === name);
}

/** What the variables say, once: they are gone then. @internal */
export function readInherited(
  platform: Pick<Platform, 'pid' | 'environment' | 'unsetEnvironment'>,
): readonly InheritedListener[] {
  const pid = platform.environment('LISTEN_PID');
  const count = platform.environment('LISTEN_FDS');
  const names = platform.environment('LISTEN_FDNAMES');
  for (const variable of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID']) {
    platform.unsetEnvironment(variable);
  }
  if (count === undefined || pid !== `${platform.pid}`) return [];
  return parseInherited(count, names?.split(':') ?? []);
}

function parseInherited(text: string, names: readonly string[]): readonly InheritedListener[] {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(count <= MAX_FDS)) throw outOfRange('LISTEN_FDS', `a number up to ${MAX_FDS}`, text);
  return Array.from({ length: count }, (_, index) => {
    return Object.freeze({ fd: FIRST_FD + index, name: names[index] || UNKNOWN_NAME });
  });
}
