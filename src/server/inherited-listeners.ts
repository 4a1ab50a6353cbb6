/**
 * Listening sockets that a service manager has opened for the program, by the protocol of systemd
 * (sd_listen_fds(3)): LISTEN_FDS descriptors starting at 3, named in LISTEN_FDNAMES, for the
 * process LISTEN_PID only.
 */
import { currentWorld } from '../net/current-world.ts';
import { outOfRange, wrongType } from '../support/checks.ts';
import type { Platform } from '../world/platform.ts';

/** SD_LISTEN_FDS_START. */
const FIRST_FD = 3;
/** More than any unit has; it bounds the array that an invalid number creates. */
const MAX_FDS = 4096;
/** The name that sd_listen_fds_with_names(3) returns for a descriptor without a name. */
const UNKNOWN_NAME = 'unknown';

/** A listening socket that the process has inherited; `listen` and `tcpServer` accept it. */
export interface InheritedListener {
  /** The descriptor. */
  readonly fd: number;
  /** FileDescriptorName= of its .socket unit; by default the name of the unit. */
  readonly name: string;
}

/** The result of the first call: it removes the variables. */
const inherited = new WeakMap<Platform, readonly InheritedListener[]>();

/**
 * Returns the listening sockets that systemd, or a service manager with the same protocol, has
 * opened for this process, in their order; with `name`, only those of that name. Returns an empty
 * list if the process was started in another way. `yield* listen(inherited)` takes one over. The
 * variables LISTEN_* are removed from the environment, so that child processes do not use them.
 * Must be called in a task.
 *
 * Errors: RangeError if LISTEN_FDS is not a number; ERR_NO_TASK.
 *
 * @example
 * const [inherited] = inheritedListeners();
 * yield* tcpServer(inherited ?? 25000, handler);
 */
export function inheritedListeners(name?: string): readonly InheritedListener[] {
  if (name !== undefined && typeof name !== 'string') throw wrongType('name', 'a string', name);
  const { platform } = currentWorld();
  const all = inherited.get(platform) ?? readInherited(platform);
  inherited.set(platform, all);
  return name === undefined ? all : all.filter((listener) => listener.name === name);
}

/** Reads the variables and removes them. @internal */
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
