/** The processor time and the memory of the process, for views of a running program. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ProcessUsage } from '../../world/platform.ts';
import { bundleFile, packageRoot } from './package-location.ts';

export function processUsage(): ProcessUsage {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    title: titleOf(process.title, process.argv[1]),
    node: process.version,
    coronet: ownVersion(),
    uptimeMs: process.uptime() * 1000,
    cpu: { userMs: user / 1000, systemMs: system / 1000 },
    memory: { rss, heapUsed },
  };
}

/** The title that the program has set, otherwise the name of its file. */
function titleOf(title: string, file: string | undefined): string {
  // Until it is set, the title is the name with which Node was started.
  return title === process.argv0 && file !== undefined ? basename(file) : title;
}

let version: string | undefined;

/** The version of this package; '' in a bundle that a bundler has made of a program. */
function ownVersion(): string {
  version ??= bundleFile === undefined ? readVersion() : '';
  return version;
}

function readVersion(): string {
  const text = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
