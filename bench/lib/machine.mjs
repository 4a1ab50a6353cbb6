// The machine: its description, the choice of cores, and the CPU time of other processes.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, type } from 'node:os';

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not Linux, or without /proc
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
 * The server runs on the last permitted core, the load on the first, where most machines handle
 * interrupts. Without taskset or a second core nothing is pinned, which the header states.
 */
export function placement() {
  const allowed = field('/proc/self/status', 'Cpus_allowed_list');
  const cores = allowed ? parseCores(allowed.trim()) : [];
  if (cores.length < 2) return { pinned: false, why: 'fewer than two cores' };
  if (spawnSync('taskset', ['--version']).error)
    return { pinned: false, why: 'taskset is not installed' };
  return { pinned: true, server: cores.at(-1), load: cores[0] };
}

/** `command` pinned to `core`, if it is defined. */
export function on(core, command) {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command];
}

/** Anonymous resident memory: RSS without pages of files, which do not depend on connections. */
export function anonymousBytes(pid) {
  const kilobytes = field(`/proc/${pid}/status`, 'RssAnon');
  return kilobytes ? Number.parseInt(kilobytes, 10) * 1024 : undefined;
}

/** The limit of descriptors of a process; `undefined` if unknown. */
export function descriptorLimit() {
  const hard = read('/proc/self/limits').match(/^Max open files\s+\S+\s+(\S+)/m)?.[1];
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : hard && Number(hard);
}

/**
 * CPU time of all cores in µs: `used` by all processes, and `stolen` by the hypervisor. In ticks of
 * 10 ms (proc_stat(5)): precise enough to detect other processes, not to measure a server.
 */
export function machineUse() {
  const ticks = field('/proc/stat', 'cpu')?.trim().split(/\s+/).map(Number);
  if (!ticks) return undefined;
  const [user, nice, system, , , irq, softirq, steal] = ticks;
  return { used: (user + nice + system + irq + softirq) * 10_000, stolen: steal * 10_000 };
}
