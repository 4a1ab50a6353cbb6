// The rounds of one case: every contestant in a process of its own, in turn.

import { LineProcess } from '../lib/process.mjs';

const START_MS = 30_000;
const ROUND_MS = 60_000;
const ONCE_MS = 120_000;

class Contestant {
  rounds = [];
  failed; // the first failure; a contestant that has one sits out the rest of the case

  constructor(spec, work) {
    this.name = spec.name;
    this.command = spec.command(work);
  }

  /** Runs `step`, and keeps its failure: one that fails must not cost the others' figures. */
  async attempt(step) {
    if (this.failed) return;
    try {
      await step();
    } catch (error) {
      this.failed = error.message;
    }
  }

  async open() {
    this.child = new LineProcess(this.name, this.command);
    await this.child.answer(START_MS);
  }

  async close() {
    await this.child?.stop();
    this.child = undefined;
  }
}

/** Each round begins with another one, so that none always runs after the same. */
async function inTurn(contestants, rounds, step) {
  for (let i = 0; i < rounds; i++) {
    for (let j = 0; j < contestants.length; j++) {
      const one = contestants[(i + j) % contestants.length];
      await one.attempt(() => step(one, i));
    }
  }
}

async function repeated(contestants, { starts, rounds, ms, warmMs }) {
  for (let start = 0; start < starts; start++) {
    try {
      await Promise.all(contestants.map((one) => one.attempt(() => one.open())));
      for (const one of contestants) {
        await one.attempt(() => one.child.ask(`prepare ${warmMs} ${ms}`, ROUND_MS));
      }
      await inTurn(contestants, rounds, async (one, i) => {
        one.rounds[start * rounds + i] = await one.child.ask(`round ${ms}`, ROUND_MS);
      });
    } finally {
      for (const one of contestants) await one.close();
    }
  }
}

/** What happens once needs a fresh heap each time, and is alone on the machine. */
async function once(contestants, rounds) {
  await inTurn(contestants, rounds, async (one, i) => {
    try {
      await one.open();
      one.rounds[i] = await one.child.ask('once', ONCE_MS);
    } finally {
      await one.close();
    }
  });
}

/** How many tasks: all of ours, because the bars name their count; of the peers' a part. */
function tasksOf({ tasks }, { runtime }, { part }) {
  if (!tasks) return {};
  return { tasks: runtime === 'coronet' ? tasks.coronet : tasks[runtime] * part };
}

function workOf(one, spec, options) {
  const kind = one.kinds?.[spec.runtime] ?? one.kind;
  return { kind, ...one.parameters, ...tasksOf(one, spec, options) };
}

/** [{ name, rounds, failed? }], in the order of `specs`, without those that have no counterpart. */
export async function measureCase(one, specs, options) {
  const contestants = specs
    .filter(({ runtime }) => one.runtimes?.includes(runtime) ?? true)
    .map((spec) => new Contestant(spec, workOf(one, spec, options)));
  if (one.tasks) await once(contestants, options.once);
  else await repeated(contestants, options);
  return contestants.map(({ name, rounds, failed }) => ({ name, rounds, failed }));
}
