/** The version of this package, from its own package.json. */
import { readFileSync } from 'node:fs';
import { CommandError } from './errors.ts';

export function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The oldest supported Node. */
const OLDEST = [20, 19] as const;

/** Throws if this Node is too old. Called before newer features are used. */
export function checkNodeVersion(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new CommandError(
    `Coronet needs Node ${OLDEST.join('.')} or newer; this is ${version}. Update Node.`,
  );
}
