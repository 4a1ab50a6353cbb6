/** A reader returns the same messages for any chunks and any cancellations. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import { ScriptedTransport } from '../../../test/support/network/scripted-transport.ts';
import type { Operation } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import type { LimitError, UnexpectedEofError } from '../errors.ts';
import { Socket } from '../tcp/socket.ts';
import type { Reader } from './reader.ts';

type Step =
  | { readonly kind: 'exactly' | 'peek'; readonly n: number }
  | { readonly kind: 'until'; readonly delimiter: string; readonly max: number }
  | { readonly kind: 'line'; readonly max: number }
  /** All remaining bytes, read with `read` in parts of any size. */
  | { readonly kind: 'rest'; readonly max: number }
  /** All remaining lines, up to one that is too long, read with `readLines`. */
  | { readonly kind: 'lines'; readonly max: number };

/** Parts of the input: delimiters, characters of several bytes, and invalid UTF-8. */
const bytes = fc.array(fc.constantFrom(0x61, 0x0a, 0x0d, 0x2d, 0xe2, 0x86, 0x92, 0xff), {
  maxLength: 120,
});

const max = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(65536));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('exactly' as const), n: fc.nat(20) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('until' as const),
      delimiter: fc.constantFrom('\n', '--', '-\r\n', '→', 'aaa'),
      max,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('peek' as const), n: fc.nat(20) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('line' as const), max }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lines' as const), max }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rest' as const), max }) },
);

const scenario = fc.record({
  stream: bytes.map((values) => Buffer.from(values)),
  program: fc.array(step, { minLength: 1, maxLength: 12 }),
  cuts: fc.array(fc.nat(120), { maxLength: 30 }),
  delays: fc.array(fc.nat(2), { minLength: 1, maxLength: 8 }),
  clearsEarly: fc.boolean(),
});

type Feed = Omit<typeof scenario extends fc.Arbitrary<infer T> ? T : never, 'program'>;

test('a reader returns the same messages for any chunks', () => {
  fc.assert(
    fc.property(scenario, ({ program, ...feed }) => {
      const results = play(() => readWhileFed(feed, (r) => runAll(r, program)));
      expect(results).toEqual(modelOf(feed.stream, program));
    }),
    { numRuns: 1500 },
  );
});

test('a read that times out and is repeated loses no byte', () => {
  fc.assert(
    fc.property(scenario, fc.array(fc.nat(2), { minLength: 1 }), (given, limits) => {
      const { program, ...feed } = given;
      const results = play(() => readWhileFed(feed, (r) => runAll(r, program, impatient(limits))));
      expect(results).toEqual(modelOf(feed.stream, program));
    }),
    { numRuns: 700 },
  );
});

test('a reader that is cancelled at any step leaves the rest to the next one', () => {
  fc.assert(
    fc.property(scenario, fc.nat(60), ({ program: given, ...feed }, steps) => {
      const messages = given.filter(({ kind }) => kind !== 'rest' && kind !== 'lines');
      const program: Step[] = [...messages, { kind: 'rest', max: 9 }];
      const results = play(() => readWhileFed(feed, (r) => runInterrupted(r, program, steps)));
      expect(results).toEqual(modelOf(feed.stream, program));
    }),
    { numRuns: 700 },
  );
});

// ---- the reader ----

/** Feeds `stream`, cut at `cuts`, with pauses of some milliseconds, while `read` reads. */
function* readWhileFed(
  { stream, cuts, delays, clearsEarly }: Feed,
  read: (reader: Reader) => Operation<string[]>,
): Operation<string[]> {
  const transport = new ScriptedTransport();
  transport.clearsEarly = clearsEarly;
  const reader = new Socket(transport).reader();
  return yield* group(function* (tasks): Operation<string[]> {
    tasks.spawn(function* (): Operation<void> {
      const bounds = [0, ...cuts.filter((cut) => cut < stream.length), stream.length];
      bounds.sort((a, b) => a - b);
      for (let i = 1; i < bounds.length; i++) {
        const delay = delays[i % delays.length] as number;
        if (delay > 0) yield* sleep(delay);
        transport.feed(stream.subarray(bounds[i - 1], bounds[i]));
      }
      transport.finish();
    });
    return yield* read(reader);
  });
}

type Drive = <T>(read: () => Operation<T>) => Operation<T>;

const patiently: Drive = (read) => read();

/** Limits every read to a few milliseconds, and repeats a read that times out. */
function impatient(limits: readonly number[]): Drive {
  let turn = 0;
  return function* <T>(read: () => Operation<T>): Operation<T> {
    for (;;) {
      const result = yield* moveOnAfter(limits[turn++ % limits.length] as number, read);
      if (result !== undefined) return result;
      yield* sleep(1);
    }
  };
}

function* runAll(
  reader: Reader,
  program: readonly Step[],
  drive: Drive = patiently,
  results: string[] = [],
): Operation<string[]> {
  while (results.length < program.length) {
    results.push(yield* runStep(reader, program[results.length] as Step, drive));
  }
  return results;
}

/** One task starts the program and is cancelled; another one continues it. */
function* runInterrupted(
  reader: Reader,
  program: readonly Step[],
  steps: number,
): Operation<string[]> {
  const results: string[] = [];
  yield* group(function* (tasks): Operation<void> {
    // A cancelled task would lose the parts of the rest that it has read.
    const first = tasks.spawn(() => runAll(reader, program.slice(0, -1), patiently, results));
    for (let step = 0; step < steps; step++) yield* step % 5 === 4 ? sleep(1) : sleep(0);
    first.cancel();
  });
  return yield* runAll(reader, program, patiently, results);
}

function* runStep(reader: Reader, step: Step, drive: Drive): Operation<string> {
  try {
    if (step.kind === 'rest') return yield* restOf(reader, drive, step.max);
    if (step.kind === 'lines') return yield* linesOf(reader, drive, step.max);
    return show(yield* drive(() => operationOf(reader, step)));
  } catch (error) {
    if (isCancelled(error)) throw error;
    return showError(error as UnexpectedEofError | LimitError);
  }
}

function operationOf(
  reader: Reader,
  step: Exclude<Step, { kind: 'rest' | 'lines' }>,
): Operation<string | Buffer | null> {
  switch (step.kind) {
    case 'peek':
      return reader.peek(step.n);
    case 'exactly':
      return reader.readExactly(step.n);
    case 'line':
      return reader.readLine({ max: step.max });
    case 'until':
      return reader.readUntil(step.delimiter, { max: step.max });
  }
}

function* restOf(reader: Reader, drive: Drive, max: number): Operation<string> {
  const parts: Buffer[] = [];
  for (;;) {
    const part = (yield* drive(() => reader.read(max))) as Buffer;
    if (part.length === 0) return show(Buffer.concat(parts));
    if (part.length > max) throw new Error(`asked for ${max}, got ${part.length}`);
    parts.push(part);
  }
}

function* linesOf(reader: Reader, drive: Drive, max: number): Operation<string> {
  const lines: string[] = [];
  try {
    for (;;) {
      const more = yield* drive(() => reader.readLines({ max }));
      if (more === null) return JSON.stringify(lines);
      if (more.length === 0) throw new Error('no line');
      lines.push(...more);
    }
  } catch (error) {
    if (isCancelled(error)) throw error;
    return JSON.stringify([...lines, showError(error as LimitError)]);
  }
}

function show(result: string | Buffer | null): string {
  return Buffer.isBuffer(result) ? `bytes ${result.toString('hex')}` : JSON.stringify(result);
}

function showError(error: UnexpectedEofError | LimitError): string {
  if (error.code === 'ERR_UNEXPECTED_EOF') {
    return `end after ${(error as UnexpectedEofError).bytes.toString('hex')}`;
  }
  return error.code === 'ERR_LIMIT' ? 'too long' : String(error);
}

// ---- the model: the documented result for a complete stream ----

function modelOf(stream: Buffer, program: readonly Step[]): string[] {
  let left = stream;
  return program.map((step) => {
    const [result, used] = modelStep(left, step);
    left = left.subarray(used);
    return result;
  });
}

function modelStep(left: Buffer, step: Step): [result: string, used: number] {
  switch (step.kind) {
    case 'exactly':
      if (step.n > 0 && left.length === 0) return ['null', 0];
      if (step.n > left.length) return [`end after ${left.toString('hex')}`, left.length];
      return [show(left.subarray(0, step.n)), step.n];
    case 'peek': {
      const [result] = modelStep(left, { kind: 'exactly', n: step.n });
      return [result, 0];
    }
    case 'until':
      return modelUntil(left, step.delimiter, step.max);
    case 'line':
      return modelLine(left, step.max);
    case 'lines':
      return modelLines(left, step.max);
    case 'rest':
      return [show(left), left.length];
  }
}

function modelUntil(left: Buffer, delimiter: string, max: number): [string, number] {
  const at = left.indexOf(delimiter);
  const length = at + Buffer.byteLength(delimiter);
  if (at >= 0) return length > max ? ['too long', 0] : [show(left.subarray(0, length)), length];
  if (left.length >= max) return ['too long', 0];
  return left.length === 0 ? ['null', 0] : [`end after ${left.toString('hex')}`, left.length];
}

function modelLine(left: Buffer, max: number): [string, number] {
  if (left.length === 0) return ['null', 0];
  const at = left.indexOf('\n');
  let length = at < 0 ? left.length : at;
  if (at > 0 && left[at - 1] === 0x0d) length--;
  if (length > max) return ['too long', 0];
  return [show(left.toString('utf8', 0, length)), at < 0 ? left.length : at + 1];
}

function modelLines(left: Buffer, max: number): [string, number] {
  const lines: string[] = [];
  for (let used = 0; ; ) {
    const [result, length] = modelLine(left.subarray(used), max);
    if (result === 'null') return [JSON.stringify(lines), used];
    if (result === 'too long') return [JSON.stringify([...lines, result]), used];
    lines.push(JSON.parse(result) as string);
    used += length;
  }
}
