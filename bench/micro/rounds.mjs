// The rounds of one case: every candidate runs in its own process, in turn.

import { Candidate, inTurn, resultsOf } from '../lib/comparison.mjs';
import { LineProcess } from '../lib/process.mjs';

const START_MS = 30_000;
const ROUND_MS = 60_000;
const ONCE_MS = 120_000;

class Runtime extends Candidate {
  constructor(spec, work) {
    super(spec);
    this.command = spec.command(work);
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

async function repeated(candidates, { starts, rounds, ms, warmMs }) {
  for (let start = 0; start < starts; start++) {
    try {
      await Promise.all(candidates.map((one) => one.attempt(() => one.open())));
      for (const one of candidates) {
        await one.attempt(() => one.child.ask(`prepare ${warmMs} ${ms}`, ROUND_MS));
      }
      await inTurn(candidates, rounds, async (one, i) => {
        one.rounds[start * rounds + i] = await one.child.ask(`round ${ms}`, ROUND_MS);
      });
    } finally {
      for (const one of candidates) await one.close();
    }
  }
}

/** Cases that run once need a fresh heap and no other active process. */
async function once(candidates, rounds) {
  await inTurn(candidates, rounds, async (one, i) => {
    try {
      await one.open();
      one.rounds[i] = await one.child.ask('once', ONCE_MS);
    } finally {
      await one.close();
    }
  });
}

/** The number of tasks: for Coronet all, because the bars state it; for the peers a part. */
function tasksOf({ tasks }, { runtime }, { part }) {
  if (!tasks) return {};
  return { tasks: runtime === 'coronet' ? tasks.coronet : tasks[runtime] * part };
}

function workOf(one, spec, options) {
  const kind = one.kinds?.[spec.runtime] ?? one.kind;
  return { kind, ...one.parameters, ...tasksOf(one, spec, options) };
}

/** [{ name, rounds, failed? }] in the order of `specs`, without runtimes that lack the case. */
export async function measureCase(one, specs, options) {
  const candidates = specs
    .filter(({ runtime }) => one.runtimes?.includes(runtime) ?? true)
    .map((spec) => new Runtime(spec, workOf(one, spec, options)));
  if (one.tasks) await once(candidates, options.once);
  else await repeated(candidates, options);
  return resultsOf(candidates);
}
