/** `once`: waits for an event of an EventEmitter or an EventTarget. */
import type { Case, CaseWaiter, Selectable } from '../kernel/case.ts';
import { WOULD_WAIT } from '../kernel/case.ts';
import { runningTask } from '../kernel/current.ts';
import type { Wait } from '../kernel/operation.ts';
import { Lazy } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import { show, wrongType } from '../support/checks.ts';

type Listener = (...args: unknown[]) => void;

/** The methods of an EventEmitter that `once` uses. */
export interface EmitterLike {
  on(event: string | symbol, listener: Listener): unknown;
  off(event: string | symbol, listener: Listener): unknown;
}

/**
 * Waits for the next `event` and returns its arguments in an array; for an EventTarget, the event
 * in an array. It listens from the moment in which it is driven, and removes its listeners however
 * the wait ends. The wait keeps the process alive.
 *
 * Errors: an 'error' event of an EventEmitter is thrown, unless `event` is 'error' (as in
 * events.once of Node). TypeError if `emitter` does not emit events.
 * Cancel: the listeners are removed. Later events are not observed.
 *
 * @example
 * const [code] = yield* once(child, 'exit');
 */
export function once<A extends unknown[] = unknown[]>(
  emitter: EmitterLike,
  event: string | symbol,
): Selectable<A>;
export function once<E extends Event = Event>(target: EventTarget, event: string): Selectable<[E]>;
export function once(
  source: EmitterLike | EventTarget,
  event: string | symbol,
): Selectable<unknown[]> {
  if (!isEmitter(source) && !isTarget(source)) {
    throw wrongType('emitter', 'an EventEmitter or an EventTarget', source);
  }
  return new OnceOperation(source, event);
}

type Source = EmitterLike | EventTarget;

class OnceOperation extends Lazy<unknown[]> implements Selectable<unknown[]> {
  readonly #source: Source;
  readonly #event: string | symbol;

  constructor(source: Source, event: string | symbol) {
    super(() => runOnce(source, event));
    this.#source = source;
    this.#event = event;
  }

  asCase(): Case<unknown[]> {
    // Counts as driven. The generator is not needed.
    this[Symbol.iterator]();
    return new OnceCase(this.#source, this.#event);
  }
}

/** Listens while the select waits. */
class OnceCase implements Case<unknown[]> {
  readonly external = true;
  readonly realTime = true;
  readonly #source: Source;
  readonly #event: string | symbol;
  readonly #scheduler = runningTask().scheduler;
  #stop: () => void = () => {};

  constructor(source: Source, event: string | symbol) {
    this.#source = source;
    this.#event = event;
  }

  describe(): string {
    return describeEvent(this.#event);
  }

  attempt(): typeof WOULD_WAIT {
    return WOULD_WAIT;
  }

  enlist(waiter: CaseWaiter): void {
    this.#stop = listen(
      this.#source,
      this.#event,
      (...args) => void waiter.wake(args),
      (error) => {
        // A cancelled select listens until its next step: report an error then.
        if (waiter.stale || !waiter.fail(error)) this.#scheduler.unhandled(error);
      },
    );
  }

  leave(): void {
    this.#stop();
  }
}

function* runOnce(source: Source, event: string | symbol): Generator<Wait, unknown[]> {
  yield* checkpoint();
  const parking = new EventWait(event);
  const onEvent = (...args: unknown[]): void => {
    stop();
    parking.wake(args);
  };
  const onError = (error: unknown): void => {
    stop();
    parking.failOrReport(error);
  };
  const stop = listen(source, event, onEvent, onError);
  try {
    return yield* park<unknown[]>(parking);
  } finally {
    stop();
  }
}

function listen(
  source: Source,
  event: string | symbol,
  onEvent: Listener,
  onError: Listener,
): () => void {
  return isEmitter(source)
    ? listenToEmitter(source, event, onEvent, onError)
    : listenToTarget(source, String(event), onEvent);
}

/** Adds both listeners. Returns a function that removes them. */
function listenToEmitter(
  emitter: EmitterLike,
  event: string | symbol,
  onEvent: Listener,
  onError: Listener,
): () => void {
  emitter.on(event, onEvent);
  if (event !== 'error') emitter.on('error', onError);
  return () => {
    emitter.off(event, onEvent);
    if (event !== 'error') emitter.off('error', onError);
  };
}

function listenToTarget(target: EventTarget, event: string, onEvent: Listener): () => void {
  target.addEventListener(event, onEvent);
  return () => target.removeEventListener(event, onEvent);
}

function isEmitter(source: unknown): source is EmitterLike {
  const { on, off } = (source ?? {}) as Partial<EmitterLike>;
  return typeof on === 'function' && typeof off === 'function';
}

function isTarget(source: unknown): source is EventTarget {
  return typeof (source as Partial<EventTarget> | null)?.addEventListener === 'function';
}

function describeEvent(event: string | symbol): string {
  return `event ${typeof event === 'string' ? `'${event}'` : show(event)}`;
}

class EventWait extends Parking {
  readonly #scheduler = runningTask().scheduler;
  #withdrawn = false;

  constructor(event: string | symbol) {
    super(describeEvent(event), { realTime: true });
  }

  /** Between its cancellation and its next step the task still listens: report an error then. */
  failOrReport(error: unknown): void {
    if (this.#withdrawn) this.#scheduler.unhandled(error);
    else this.fail(error);
  }

  protected override onWithdrawn(): void {
    this.#withdrawn = true;
  }
}
