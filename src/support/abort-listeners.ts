/**
 * Listeners of AbortSignals. Node warns of a leak when a signal gets its eleventh listener, and a
 * program may pass one signal to any number of runs. So the runs of a signal share one listener.
 */

const sharedListeners = new WeakMap<AbortSignal, SharedListener>();

/** Calls `listener` when `signal` aborts. Returns a function that removes the listener. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let shared = sharedListeners.get(signal);
  if (shared === undefined) {
    shared = new SharedListener();
    sharedListeners.set(signal, shared);
  }
  return shared.add(signal, listener);
}

class SharedListener {
  readonly #listeners = new Set<() => void>();

  add(signal: AbortSignal, listener: () => void): () => void {
    if (this.#listeners.size === 0) signal.addEventListener('abort', this.#callAll, { once: true });
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) signal.removeEventListener('abort', this.#callAll);
    };
  }

  readonly #callAll = (): void => {
    for (const listener of this.#listeners) listener();
  };
}
