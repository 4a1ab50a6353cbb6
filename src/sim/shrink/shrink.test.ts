import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AllowedChoices, Deviations } from '../choices/decisions.ts';
import { DECISION_KINDS } from '../choices/decisions.ts';
import { allowOnly, countChoices, noChoices, shrink } from './shrink.ts';

const always = (): boolean => true;

/** A run that fails if all of `needed` are allowed. Other choices do not affect it. */
function failingWith(
  found: Deviations,
  needed: Partial<Deviations>,
): { attempt: (allowed: AllowedChoices) => Promise<Deviations | null>; attempts(): number } {
  let attempts = 0;
  const attempt = async (allowed: AllowedChoices): Promise<Deviations | null> => {
    attempts++;
    for (const kind of DECISION_KINDS) {
      if ((needed[kind] ?? []).some((number) => !allowed[kind].has(number))) return null;
    }
    const left = noChoices();
    for (const kind of DECISION_KINDS) left[kind] = found[kind].filter((n) => allowed[kind].has(n));
    return left;
  };
  return { attempt, attempts: () => attempts };
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

describe('shrinking', () => {
  it('ends after one attempt if no random choice is needed', async () => {
    const found = { ...noChoices(), schedule: upTo(500), fault: upTo(20) };
    const { attempt, attempts } = failingWith(found, {});
    expect(await shrink(found, attempt, always)).toEqual(noChoices());
    expect(attempts()).toBe(1);
  });

  it('makes no attempt without a random choice', async () => {
    const { attempt, attempts } = failingWith(noChoices(), {});
    expect(await shrink(noChoices(), attempt, always)).toEqual(noChoices());
    expect(attempts()).toBe(0);
  });

  it('removes whole kinds first', async () => {
    const found = { schedule: upTo(100), latency: upTo(100), fault: upTo(100), program: [7] };
    const { attempt, attempts } = failingWith(found, { program: [7] });
    expect(await shrink(found, attempt, always)).toEqual({ ...noChoices(), program: [7] });
    expect(attempts()).toBeLessThan(10);
  });

  it('finds a few needed choices among thousands in about a hundred attempts', async () => {
    const found = { ...noChoices(), schedule: upTo(5000) };
    const { attempt, attempts } = failingWith(found, { schedule: [37, 2600, 4711] });
    expect((await shrink(found, attempt, always)).schedule).toEqual([37, 2600, 4711]);
    expect(attempts()).toBeLessThan(130);
  });

  it('finds exactly the needed choices', async () => {
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

  it('returns the best result so far when the attempts are used up', async () => {
    const found = { ...noChoices(), latency: upTo(64), schedule: upTo(64) };
    for (let most = 0; most < 40; most++) {
      const { attempt, attempts } = failingWith(found, { latency: [5], schedule: [60] });
      const left = await shrink(found, attempt, () => attempts() < most);
      expect(attempts()).toBeLessThanOrEqual(most);
      expect(left.latency).toContain(5);
      expect(left.schedule).toContain(60);
      expect(await attempt(allowOnly(left))).toEqual(left);
    }
  });

  it('adopts the choices that a run with fewer choices made', async () => {
    // Without the fault, the run is so short that it makes only two choices of the schedule.
    const found: Deviations = { ...noChoices(), fault: [3], schedule: upTo(100) };
    const attempt = async (allowed: AllowedChoices): Promise<Deviations | null> => {
      if (!allowed.schedule.has(1)) return null;
      if (allowed.fault.has(3))
        return { ...noChoices(), fault: [3], schedule: [...allowed.schedule] };
      return { ...noChoices(), schedule: [...allowed.schedule].filter((n) => n < 2) };
    };
    const left = await shrink(found, attempt, always);
    expect(countChoices(left)).toBe(1);
    expect(left.schedule).toEqual([1]);
  });
});
