/** Loads optional peer dependencies. */
import { join } from 'node:path';
import { CoronetError } from '../../kernel/errors.ts';
import { packageRoot } from '../process/package-location.ts';

/**
 * The exports of the package `name`. Loads again after a failure, such as a lack of descriptors;
 * `import` does not. Error: ERR_MISSING_PEER with the install command.
 */
export function requirePeer(name: string, user: string): unknown {
  const { createRequire } = process.getBuiltinModule('node:module');
  try {
    return createRequire(join(packageRoot, 'package.json'))(name);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'MODULE_NOT_FOUND') throw cause;
    const text = `${user} needs ${name}, which is not installed: npm install ${name}`;
    throw new CoronetError('ERR_MISSING_PEER', text, { cause });
  }
}
