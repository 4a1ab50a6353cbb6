/** Whether a debugger can reach this process. */
import { createRequire } from 'node:module';

interface Inspector {
  url(): string | undefined;
}

/** `null`: there is none. */
let inspector: Inspector | null | undefined;

/**
 * Whether the inspector is open: then a breakpoint may stop the process for as long as a person
 * likes. Node that was built without it, and runtimes that do not know it, throw when it is loaded.
 */
export function isInspected(): boolean {
  if (inspector === undefined) inspector = loadInspector();
  return inspector?.url() !== undefined;
}

function loadInspector(): Inspector | null {
  try {
    return createRequire(import.meta.url)('node:inspector') as Inspector;
  } catch {
    // There is none.
    return null;
  }
}
