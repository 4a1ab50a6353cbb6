/** The oldest Node that can run this, checked before anything newer is used. */
import { PlainError } from './mistakes.ts';

const OLDEST = [20, 19] as const;

export function checkNodeVersion(version: string = process.versions.node): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return;
  throw new PlainError(
    `Coronet needs Node ${OLDEST.join('.')} or newer; this is ${version}. Please update Node.`,
  );
}
