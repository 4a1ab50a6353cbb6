/** `coronet doctor`: the limits of this machine, the selected backend, and the reason for it. */
import { arch, availableParallelism, platform, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../node/addon.ts';
import { decideBackend, decideTlsEngine } from '../node/backend.ts';
import { readLimits } from '../node/process/limits.ts';
import { readOptions } from './options.ts';
import { readVersion } from './version.ts';

const HELP = `Examples:
  coronet doctor          print the limits of this machine and the selected backend
  coronet doctor --json   print the same as JSON
`;

/** Below this number `doctor` advises to raise the limit. */
const FEW_DESCRIPTORS = 4096;

type Facts = ReturnType<typeof gather>;

export async function run(args: readonly string[]): Promise<void> {
  const values = readOptions(args, {
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  });
  if (values['help'] === true) process.stdout.write(HELP);
  else if (values['json'] === true) process.stdout.write(`${JSON.stringify(gather(), null, 2)}\n`);
  else process.stdout.write(`${render(gather())}\n`);
}

/** The JSON output. A limit that is not known on this system is null. */
function gather() {
  const limits = readLimits();
  return {
    coronet: readVersion(),
    node: process.versions.node,
    platform: `${platform()} ${release()} ${arch()}`,
    processors: availableParallelism(),
    ...backendFacts(),
    addon: addonFacts(),
    ...tlsFacts(),
    descriptors: limits.descriptors ?? null,
    openDescriptors: limits.openDescriptors ?? null,
    somaxconn: limits.backlog ?? null,
  };
}

/** If CORONET_BACKEND selects a backend that is not available, this is reported, not thrown. */
function backendFacts(): { readonly backend: string; readonly reason: string } {
  try {
    return decideBackend();
  } catch (error) {
    return { backend: 'none', reason: (error as Error).message };
  }
}

/** The files that may contain the addon, and the command that builds it if none was loaded. */
function addonFacts() {
  const { addon, files } = loadAddon();
  const canBuild = addon === undefined && files.length > 0;
  return { files, build: canBuild ? `${quoted(process.execPath)} ${quoted(MAIN)} build` : null };
}

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** A word of a shell command. */
function quoted(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The engine of TLS on the selected backend. As `backendFacts`, it throws no error. */
function tlsFacts(): { readonly tls: string; readonly tlsReason: string } {
  try {
    const { engine, reason } = decideTlsEngine();
    return { tls: engine, tlsReason: reason };
  } catch (error) {
    return { tls: 'none', tlsReason: (error as Error).message };
  }
}

function render(facts: Facts): string {
  const lines: [string, string][] = [
    ['coronet', facts.coronet],
    ['node', facts.node],
    ['platform', `${facts.platform}, ${facts.processors} processors`],
    ['backend', `${facts.backend} (${facts.reason})`],
    ...addonLines(facts),
    ['TLS', `${facts.tls} (${facts.tlsReason})`],
    ['descriptors', descriptorText(facts)],
    ['somaxconn', backlogText(facts)],
  ];
  return lines.map(([name, value]) => `${name.padEnd(13)}${value}`).join('\n');
}

function addonLines({ addon: { files, build } }: Facts): [string, string][] {
  const lines = files.map(({ path, state }) => `${path}: ${state}`);
  if (build !== null) lines.push(`build it: ${build}`);
  return lines.map((line, index) => [index === 0 ? 'addon' : '', line]);
}

function descriptorText({ descriptors, openDescriptors }: Facts): string {
  if (descriptors === null) return 'unknown';
  const few = descriptors < FEW_DESCRIPTORS ? '; raise the limit with `ulimit -n 65536`' : '';
  return `limit ${descriptors}, ${openDescriptors ?? '?'} open${few}`;
}

function backlogText({ somaxconn }: Facts): string {
  return somaxconn === null ? 'unknown' : `limit of the accept queue: ${somaxconn} connections`;
}
