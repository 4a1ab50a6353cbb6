/** Expected errors of plain calls. For operations see sockets.ts and kernel/virtual-host.ts. */

export interface ThrownError {
  readonly code?: string;
  readonly message?: string;
  readonly syscall?: string;
}

/** Returns what `run` throws. Fails if it returns. */
export function errorOf(run: () => unknown): ThrownError {
  try {
    run();
  } catch (error) {
    return error as ThrownError;
  }
  throw new Error('Expected the call to throw, but it returned');
}
