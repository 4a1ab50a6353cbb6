import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AllowedChoices, DecisionKind, Deviations } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import { countChoices, noChoices, shrink } from './shrink.ts';

const always = (): boolean => true;

/** A run that fails if all of `needed` are kept; others do not change it. */
function failingWith(
  found: Deviations,
  needed: Partial<Deviations>,
): { attempt: (kept: AllowedChoices) => Promise<Deviations | null>; tries(): number } {
  let tries = 0;
  const attempt = async (kept: AllowedChoices): Promise<Deviations | null> => {
    tries++;
    for (const kind of DECISION_KINDS) {
      if ((needed[kind] ?? []).some((number) => !kept[kind].has(number))) return null;
    }
    const left = noChoices();
    for (const kind of DECISION_KINDS) left[kind] = found[kind].filter((n) => kept[kind].has(n));
    return left;
  };
  return { attempt, tries: () => tries };
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

describe('shrinking', () => {
  it('is done after one try when nothing random is needed', async () => {
    const found = { ...noChoices(), schedule: upTo(500), fault: upTo(20) };
    const { attempt, tries } = failingWith(found, {});
    expect(await shrink(found, attempt, always)).toEqual(noChoices());
    expect(tries()).toBe(1);
  });

  it('tries nothing where there was no choice', async () => {
    const { attempt, tries } = failingWith(noChoices(), {});
    expect(await shrink(noChoices(), attempt, always)).toEqual(noChoices());
    expect(tries()).toBe(0);
  });

  it('leaves whole kinds out first', async () => {
    const found = { schedule: upTo(100), latency: upTo(100), fault: upTo(100), program: [7] };
    const { attempt, tries } = failingWith(found, { program: [7] });
    expect(await shrink(found, attempt, always)).toEqual({ ...noChoices(), program: [7] });
    expect(tries()).toBeLessThan(10);
  });

  it('finds a few among thousands in about a hundred tries', async () => {
    const found = { ...noChoices(), schedule: upTo(5000) };
    const { attempt, tries } = failingWith(found, { schedule: [37, 2600, 4711] });
    expect((await shrink(found, attempt, always)).schedule).toEqual([37, 2600, 4711]);
    expect(tries()).toBeLessThan(130);
  });

  it('finds exactly what is needed, whatever that is', async () => {
    const numbers = fc.uniqueArray(fc.nat(200), { maxLength: 40 });
    const choices = fc.record({
      schedule: numbers,
      latency: numbers,
      fault: numbers,
      program: numbers,
    });
    await fc.assert(
      fc.asyncProperty(choices, fc.infiniteStream(fc.nat(9)), async (found, dice) => {
        const needed = noChoices();
        for (const kind of DECISION_KINDS) {
          needed[kind] = found[kind].filter(() => dice.next().value === 0);
        }
        const { attempt } = failingWith(found, needed);
        expect(await shrink(found, attempt, always)).toEqual(needed);
      }),
    );
  });

  it('gives what it has when it may not go on, at any time', async () => {
    const found = { ...noChoices(), latency: upTo(64), schedule: upTo(64) };
    for (let most = 0; most < 40; most++) {
      const { attempt, tries } = failingWith(found, { latency: [5], schedule: [60] });
      const left = await shrink(found, attempt, () => tries() < most);
      expect(tries()).toBeLessThanOrEqual(most);
      expect(left.latency).toContain(5);
      expect(left.schedule).toContain(60);
      expect(await attempt(asKept(left))).toEqual(left);
    }
  });

  it('takes over what a run with fewer choices has left of the others', async () => {
    // Without the fault, the run is so short that only two choices of the schedule are made.
    const found: Deviations = { ...noChoices(), fault: [3], schedule: upTo(100) };
    const attempt = async (kept: AllowedChoices): Promise<Deviations | null> => {
      if (!kept.schedule.has(1)) return null;
      if (kept.fault.has(3)) return { ...noChoices(), fault: [3], schedule: [...kept.schedule] };
      return { ...noChoices(), schedule: [...kept.schedule].filter((n) => n < 2) };
    };
    const left = await shrink(found, attempt, always);
    expect(countChoices(left)).toBe(1);
    expect(left.schedule).toEqual([1]);
  });
});

function asKept(choices: Deviations): AllowedChoices {
  const kept = {} as Record<DecisionKind, ReadonlySet<number>>;
  for (const kind of DECISION_KINDS) kept[kind] = new Set(choices[kind]);
  return kept;
}
