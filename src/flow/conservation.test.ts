import fc from 'fast-check';
import { expect, test } from 'vitest';
import { VirtualHost } from '../../test/support/kernel/virtual-host.ts';
import type { Selectable } from '../kernel/case.ts';
import type { OperationSource, Wait } from '../kernel/operation.ts';
import { group } from '../kernel/task/group.ts';
import type { Task } from '../kernel/task/task.ts';
import { checkpoint } from '../kernel/waits.ts';
import { Channel } from './channel.ts';
import { any } from './combinators/any.ts';
import { race } from './combinators/race.ts';
import { select } from './select/select.ts';
import { Semaphore } from './semaphore.ts';

/** One action of a task. `at` is the index of the channel. */
type Action =
  | { readonly kind: 'send' | 'receive' | 'next' | 'trySend' | 'tryReceive'; readonly at: number }
  | {
      readonly kind: 'select';
      readonly sends: readonly number[];
      readonly takes: readonly number[];
    }
  | { readonly kind: 'race' | 'any'; readonly takes: readonly number[]; readonly rounds: number }
  | { readonly kind: 'hold'; readonly at: number; readonly rounds: number }
  | { readonly kind: 'pause' }
  | { readonly kind: 'spend'; readonly count: number }
  | { readonly kind: 'close'; readonly at: number };

interface Program {
  readonly capacities: readonly number[];
  readonly permits: number;
  readonly tasks: readonly (readonly Action[])[];
  readonly cancels: readonly { readonly step: number; readonly task: number }[];
}

interface Item {
  readonly sender: number;
  readonly number: number;
}

/** The channels and the semaphore of a program, and the results that its tasks observed. */
class Model {
  readonly channels: readonly Channel<Item>[];
  readonly semaphore: Semaphore;
  readonly sent: Item[][];
  readonly received: Item[][];
  inside = 0;
  #number = 0;
  /** The index of the channel that an item was sent to. */
  readonly #channelOf = new Map<Item, number>();

  constructor(program: Program) {
    this.channels = program.capacities.map((capacity, at) => new Channel(capacity, `c${at}`));
    this.semaphore = new Semaphore(program.permits);
    this.sent = this.channels.map(() => []);
    this.received = this.channels.map(() => []);
  }

  *runTask(sender: number, actions: readonly Action[]): Generator<Wait, void> {
    for (const action of actions) {
      try {
        yield* this.#do(sender, action);
      } catch (error) {
        if (!END_CODES.has((error as { code?: string }).code)) throw error;
      }
    }
  }

  *#do(sender: number, action: Action): Generator<Wait, void> {
    switch (action.kind) {
      case 'pause':
        return yield;
      case 'spend':
        for (let i = 0; i < action.count; i++) yield* checkpoint();
        return;
      case 'hold':
        return yield* this.semaphore.with(() => this.#inside(action.rounds));
      case 'race':
      case 'any':
        return yield* this.#race(action.kind, action.takes, action.rounds);
      case 'select':
        return yield* this.#select(sender, action.sends, action.takes);
      default:
        return yield* this.#use(sender, action.kind, action.at % this.channels.length);
    }
  }

  *#inside(rounds: number): Generator<Wait, void> {
    this.inside++;
    expect(this.inside).toBeLessThanOrEqual(this.semaphore.permits);
    try {
      for (let i = 0; i < rounds; i++) yield;
    } finally {
      this.inside--;
    }
  }

  *#use(sender: number, kind: string, at: number): Generator<Wait, void> {
    const channel = this.channels[at] as Channel<Item>;
    const item = { sender, number: this.#number++ };
    this.#channelOf.set(item, at);
    if (kind === 'close') channel.close();
    if (kind === 'trySend' && channel.trySend(item)) this.sent[at]?.push(item);
    if (kind === 'tryReceive') this.#note(at, channel.tryReceive());
    if (kind === 'receive') this.#note(at, yield* channel.receive());
    if (kind === 'next') this.#note(at, (yield* channel.next()).value);
    if (kind !== 'send') return;
    yield* channel.send(item);
    this.sent[at]?.push(item);
  }

  *#select(
    sender: number,
    sends: readonly number[],
    takes: readonly number[],
  ): Generator<Wait, void> {
    const count = this.channels.length;
    const items = sends.map(() => ({ sender, number: this.#number++ }));
    const cases: Record<string, Selectable<unknown>> = {};
    for (const [i, at] of sends.entries()) {
      this.#channelOf.set(items[i] as Item, at % count);
      cases[`s${i}`] = (this.channels[at % count] as Channel<Item>).send(items[i] as Item);
    }
    for (const [i, at] of takes.entries()) {
      cases[`t${i}`] = (this.channels[at % count] as Channel<Item>).receive();
    }
    if (Object.keys(cases).length === 0) return;
    const { key, value } = yield* select(cases);
    const index = Number(key.slice(1));
    const at = ((key.startsWith('s') ? sends : takes)[index] as number) % count;
    if (key.startsWith('t')) this.#note(at, value as Item);
    else this.sent[at]?.push(items[index] as Item);
  }

  /** Races receives, selects, and a task that ends after some rounds. */
  *#race(kind: 'race' | 'any', takes: readonly number[], rounds: number): Generator<Wait, void> {
    const members: OperationSource<unknown>[] = [() => pauses(rounds)];
    for (const [i, take] of takes.entries()) {
      const at = take % this.channels.length;
      const channel = this.channels[at] as Channel<Item>;
      if (i % 2 === 0) members.push(channel.receive());
      else members.push(select({ [at]: channel.receive() }));
    }
    const won = yield* kind === 'race' ? race(members) : any(members);
    if (won === undefined) return;
    const item = ((won as { value?: Item }).value ?? won) as Item;
    this.#note(this.#channelOf.get(item) as number, item);
  }

  #note(at: number, item: Item | undefined): void {
    if (item !== undefined) this.received[at]?.push(item);
  }

  /** No task is ready. Checks that no task waits for an item or a permit that is available. */
  checkNoMissedWakeup(selecting: boolean): void {
    for (const channel of this.channels) {
      const { buffered, capacity, senders, receivers, closed } = channel.stats();
      expect(buffered).toBeLessThanOrEqual(capacity);
      if (closed) expect(senders + receivers).toBe(0);
      if (senders > 0) expect(buffered).toBe(capacity);
      if (receivers > 0) expect(buffered).toBe(0);
      // A select may send to and receive from the same channel, and is not its own counterpart.
      if (senders > 0 && !selecting) expect(receivers).toBe(0);
    }
    const { available, waiters } = this.semaphore.stats();
    if (waiters > 0) expect(available).toBe(0);
  }

  checkConserved(): void {
    for (const [at, channel] of this.channels.entries()) {
      const received = [...(this.received[at] as Item[])];
      for (let item = channel.tryReceive(); item !== undefined; item = channel.tryReceive()) {
        received.push(item);
      }
      const inOrder = (items: readonly Item[]) => [...items].sort((a, b) => a.number - b.number);
      expect(inOrder(received)).toEqual(inOrder(this.sent[at] as Item[]));
      expect(channel.stats()).toMatchObject({ senders: 0, receivers: 0, sent: received.length });
    }
    const { permits } = this.semaphore;
    expect(this.semaphore.stats()).toMatchObject({ available: permits, waiters: 0, holders: 0 });
  }
}

/** The errors that the end of a channel causes. */
const END_CODES = new Set<string | undefined>(['ERR_CHANNEL_CLOSED', 'ERR_ALL_FAILED']);

function* pauses(rounds: number): Generator<Wait, void> {
  for (let i = 0; i < rounds; i++) yield;
}

function play(program: Program): void {
  const host = new VirtualHost();
  const { scheduler } = host;
  const model = new Model(program);
  const tasks: Task<void>[] = [];
  const main = scheduler.start(() =>
    group(function* (g) {
      for (const [at, actions] of program.tasks.entries())
        tasks.push(g.spawn(() => model.runTask(at, actions)));
      yield;
    }),
  );
  for (let step = 0; scheduler.turn(1) === 0; step++) {
    for (const cancel of program.cancels) {
      if (cancel.step === step) tasks[cancel.task % tasks.length]?.cancel();
    }
  }
  const selecting = program.tasks.some((actions) => actions.some(({ kind }) => kind === 'select'));
  model.checkNoMissedWakeup(selecting);
  for (const task of tasks) task.cancel();
  for (let steps = 0; scheduler.live > 0 && steps < 10_000; steps++) scheduler.turn(1);
  expect(scheduler.live).toBe(0);
  if (main.state === 'failed') throw main.outcome;
  model.checkConserved();
}

const at = fc.nat(2);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('send', 'receive'), at }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('next', 'trySend', 'tryReceive'), at }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('select'),
      sends: fc.array(at, { maxLength: 2 }),
      takes: fc.array(at, { maxLength: 2 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom('race', 'any'),
      takes: fc.array(at, { maxLength: 3 }),
      rounds: fc.nat(4),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('hold'), at, rounds: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'pause' }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('spend'), count: fc.integer({ min: 125, max: 128 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close'), at }) },
) as fc.Arbitrary<Action>;

const program: fc.Arbitrary<Program> = fc.record({
  capacities: fc.array(fc.constantFrom(0, 0, 1, 2, Infinity), { minLength: 1, maxLength: 3 }),
  permits: fc.integer({ min: 1, max: 2 }),
  tasks: fc.array(fc.array(action, { maxLength: 8 }), { minLength: 2, maxLength: 5 }),
  cancels: fc.array(fc.record({ step: fc.nat(40), task: fc.nat(4) }), { maxLength: 4 }),
});

test('items and permits are conserved under random operations and cancellations', () => {
  fc.assert(fc.property(program, play), { numRuns: Number(process.env['FLOW_RUNS'] ?? 2000) });
});
