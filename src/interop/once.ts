/** `once`: a task waits for an event of an EventEmitter or an EventTarget. */

import { runningTask } from '../kernel/current.ts';
import type { Operation, Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { show, wrongType } from '../support/checks.ts';

type Listener = (...args: unknown[]) => void;

/** What `once` needs of an EventEmitter. */
export interface EmitterLike {
  on(event: string | symbol, listener: Listener): unknown;
  off(event: string | symbol, listener: Listener): unknown;
}

/**
 * Waits for the next `event` and gives its arguments as an array; of an EventTarget, the event in
 * an array. Listens from the moment in which it is driven. No listener stays behind, however it
 * ends. Keeps the process alive while it waits.
 *
 * Errors: an 'error' event of an EventEmitter is thrown, unless 'error' is what is waited for (as
 * in events.once of Node). TypeError for what emits no events.
 * Cancel: the listeners are removed; an event that comes later is not seen.
 *
 * @example
 * const [code] = yield* once(child, 'exit');
 */
export function once<A extends unknown[] = unknown[]>(
  emitter: EmitterLike,
  event: string | symbol,
): Operation<A>;
export function once<E extends Event = Event>(target: EventTarget, event: string): Operation<[E]>;
export function once(
  source: EmitterLike | EventTarget,
  event: string | symbol,
): Operation<unknown[]> {
  const listen = subscriberOf(source, event);
  return new Lazy(() => runOnce(listen, event));
}

function* runOnce(listen: Subscribe, event: string | symbol): Generator<Wait, unknown[]> {
  yield* checkpoint();
  const place = new EventWait(event);
  const stop = listen(
    (...args) => {
      stop();
      place.wake(args);
    },
    (error) => {
      stop();
      place.failOrReport(error);
    },
  );
  try {
    return yield* park<unknown[]>(place);
  } finally {
    stop();
  }
}

/** Adds both listeners. The answer removes them. */
type Subscribe = (heard: Listener, failed: Listener) => () => void;

function subscriberOf(source: EmitterLike | EventTarget, event: string | symbol): Subscribe {
  if (isEmitter(source)) return (heard, failed) => listenToEmitter(source, event, heard, failed);
  if (isTarget(source)) return (heard) => listenToTarget(source, String(event), heard);
  throw wrongType('emitter', 'an EventEmitter or an EventTarget', source);
}

function listenToEmitter(
  emitter: EmitterLike,
  event: string | symbol,
  heard: Listener,
  failed: Listener,
): () => void {
  emitter.on(event, heard);
  if (event !== 'error') emitter.on('error', failed);
  return () => {
    emitter.off(event, heard);
    if (event !== 'error') emitter.off('error', failed);
  };
}

function listenToTarget(target: EventTarget, event: string, heard: Listener): () => void {
  target.addEventListener(event, heard);
  return () => target.removeEventListener(event, heard);
}

function isEmitter(source: unknown): source is EmitterLike {
  const { on, off } = (source ?? {}) as Partial<EmitterLike>;
  return typeof on === 'function' && typeof off === 'function';
}

function isTarget(source: unknown): source is EventTarget {
  return typeof (source as Partial<EventTarget> | null)?.addEventListener === 'function';
}

class EventWait extends Parking {
  readonly #scheduler = runningTask().scheduler;
  #withdrawn = false;

  constructor(event: string | symbol) {
    const name = typeof event === 'string' ? `'${event}'` : show(event);
    super(`event ${name}`, { realTime: true });
  }

  /**
   * Between its cancellation and its next step a task still listens, and must not hide an error.
   */
  failOrReport(error: unknown): void {
    if (this.#withdrawn) this.#scheduler.unhandled(error);
    else this.fail(error);
  }

  protected override onWithdrawn(): void {
    this.#withdrawn = true;
  }
}
