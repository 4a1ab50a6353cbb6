// The machine: what it is, which core does what, and who else was using it.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, type } from 'node:os';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not Linux, or no /proc here
  }
};

const field = (path, name) => read(path).match(new RegExp(`^${name}\\s*:?\\s+(.*)$`, 'm'))?.[1];

export function facts() {
  const cores = cpus();
  return {
    node: process.version,
    kernel: `${type()} ${release()}`,
    cpu: cores[0]?.model ?? 'unknown',
    cores: cores.length,
    loadAverage: loadavg()[0],
  };
}

/** '0-2,5' -> [0, 1, 2, 5] */
export function parseCores(list) {
  return list.split(',').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/**
 * The server on the last core that we may use, the load on the first: the first is where most
 * machines handle interrupts. Without taskset or a second core nothing is pinned, and we say so.
 */
export function placement() {
  const allowed = field('/proc/self/status', 'Cpus_allowed_list');
  const cores = allowed ? parseCores(allowed.trim()) : [];
  if (cores.length < 2) return { pinned: false, why: 'fewer than two cores to choose from' };
  if (spawnSync('taskset', ['--version']).error) return { pinned: false, why: 'no taskset here' };
  return { pinned: true, server: cores.at(-1), load: cores[0] };
}

/** `command` bound to a core, where there is one to bind it to. */
export function on(core, command) {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command];
}

/** Anonymous resident memory: RSS less the pages of files, which connections do not add to. */
export function anonymousBytes(pid) {
  const kilobytes = field(`/proc/${pid}/status`, 'RssAnon');
  return kilobytes ? Number.parseInt(kilobytes, 10) * 1024 : undefined;
}

/** How many descriptors a process may have; `undefined` where nobody says. */
export function descriptorLimit() {
  const hard = read('/proc/self/limits').match(/^Max open files\s+\S+\s+(\S+)/m)?.[1];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : hard && Number(hard);
}

/**
 * CPU time of the whole machine in µs, all cores: used by anybody, and stolen by the hypervisor.
 * Ticks of 10 ms: good enough to notice neighbours, not to measure a server (proc_stat(5)).
 */
export function machineUse() {
  const ticks = field('/proc/stat', 'cpu')?.trim().split(/\s+/).map(Number);
  if (!ticks) return undefined;
  const [user, nice, system, , , irq, softirq, steal] = ticks;
  return { used: (user + nice + system + irq + softirq) * 10_000, stolen: steal * 10_000 };
}
