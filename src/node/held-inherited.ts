/**
 * A listener that this process has inherited itself and hands down: where it is bound is asked
 * without touching it. The addon does so in this process. Node has no way to: what takes a
 * descriptor owns it from then on, and closes it. So without the addon a process is run that
 * inherits it in its turn, looks, and is gone.
 */
import { spawnSync } from 'node:child_process';
import { unsupported } from '../kernel/unsupported.ts';
import type { Endpoint } from '../world/network.ts';
import type { HeldListeners } from '../world/workers.ts';
import { loadAddon } from './addon.ts';
import { canAdopt, inspectListener } from './inherited.ts';

/** For people: neither a name nor a path. */
const UNKNOWN: Endpoint = { path: '' };

/** See `Platform.holdInherited`. Errors: EBADF, ENOTSOCK, EINVAL; ERR_UNSUPPORTED. */
export function holdInherited(fd: number): HeldListeners {
  if (!canAdopt()) {
    throw unsupported(
      'This system, or this runtime,',
      'hand a listener down to a process',
      'Run one process without workers.',
    );
  }
  const path = inspectListener(fd);
  return { local: path ?? boundByAddon(fd) ?? boundByNode(fd), descriptors: [fd], close: () => {} };
}

function boundByAddon(fd: number): Endpoint | undefined {
  const bound = loadAddon().addon?.bound(fd);
  return typeof bound === 'object' ? bound : undefined;
}

/** What getsockname of node:net's handles gives. */
interface Name {
  readonly address: string;
  readonly port: number;
  readonly family: string;
}

/**
 * The function by which node:cluster opens sockets takes a descriptor as well (not documented, and
 * there since Node 0.8). Its handles for Unix sockets do not tell their path.
 */
const LOOK = `
  const handle = require('node:net')._createServerHandle(null, null, null, 3);
  const name = {};
  if (handle.getsockname?.(name) === 0) process.stdout.write(JSON.stringify(name));`;

/** As holdInherited finds it out without the addon. */
export function boundByNode(fd: number): Endpoint {
  const { stdout } = spawnSync(process.execPath, ['-e', LOOK], {
    stdio: ['ignore', 'pipe', 'ignore', fd],
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (!stdout) return UNKNOWN;
  const { address, port, family } = JSON.parse(stdout) as Name;
  return { host: address, port, family: family === 'IPv6' ? 6 : 4 };
}
