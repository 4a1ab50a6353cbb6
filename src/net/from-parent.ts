/** Listeners that a worker process has inherited from its supervisor, by their addresses. */
import { show } from '../kernel/checks.ts';
import { UsageError } from '../kernel/errors.ts';
import type { Platform } from '../world/platform.ts';
import { currentWorld } from './world.ts';

/** What is left to take over, by the address that the supervisor was given. */
const inherited = new WeakMap<Platform, Map<string, number>>();

/**
 * The descriptor of the listener at `address`, as a text, if this process has inherited one. It is
 * given out once: who listens a second time gets what the system says. The variable is taken away,
 * so that it misleads no child.
 */
export function takeFromParent(address: string): number | undefined {
  const { platform } = currentWorld();
  let left = inherited.get(platform);
  if (left === undefined) {
    left = new Map(read(platform));
    inherited.set(platform, left);
  }
  const fd = left.get(address);
  left.delete(address);
  return fd;
}

type Inherited = readonly [address: string, fd: number];

function read(platform: Platform): readonly Inherited[] {
  const text = platform.environment('CORONET_LISTEN');
  if (text === undefined) return [];
  platform.unsetEnvironment('CORONET_LISTEN');
  const list = parsed(text);
  if (Array.isArray(list) && list.every(isInherited)) return list;
  throw new UsageError(
    'ERR_ADDRESS',
    `Expected CORONET_LISTEN to be the list that a supervisor makes, got ${show(text)}`,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Told by the caller, as any other text that is no such list.
    return undefined;
  }
}

function isInherited(item: unknown): item is Inherited {
  return Array.isArray(item) && typeof item[0] === 'string' && Number.isInteger(item[1]);
}
