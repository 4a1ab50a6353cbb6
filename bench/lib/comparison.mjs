// Candidates that are measured in turns, and the CPU time that a server uses meanwhile.

import { machineUse, on } from './machine.mjs';
import { LineProcess } from './process.mjs';

const SETTLE_MS = 20;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One program of a comparison with the results of its rounds. */
export class Candidate {
  rounds = [];
  failed; // the first failure; a candidate that has one skips the rest of the cell

  constructor(spec) {
    this.spec = spec;
    this.name = spec.name;
  }

  /** Runs `step` and records its failure, so that the other candidates are still measured. */
  async attempt(step) {
    if (this.failed) return;
    try {
      await step();
    } catch (error) {
      this.failed = error.message;
    }
  }
}

/** { name, kind?, rounds, failed? } of each candidate. */
export const resultsOf = (candidates) =>
  candidates.map(({ name, spec, rounds, failed }) => ({ name, kind: spec.kind, rounds, failed }));

/** A process on its core, after its first line: { process, first }. */
export async function startProcess(name, core, command, timeoutMs) {
  const process = new LineProcess(name, on(core, command.map(String)));
  try {
    return { process, first: await process.answer(timeoutMs) };
  } catch (error) {
    await process.stop();
    throw error;
  }
}

/** Every round begins with another candidate, so that none always runs after the same one. */
export async function inTurn(candidates, rounds, step, settleMs = 0) {
  for (let i = 0; i < rounds; i++) {
    for (let j = 0; j < candidates.length; j++) {
      const one = candidates[(i + j) % candidates.length];
      await one.attempt(() => step(one, i));
      if (settleMs > 0) await pause(settleMs);
    }
  }
}

/**
 * All rounds of one cell, in the order of the candidates. They have `start()`, `round()` and
 * `stop()`, and are started `starts` times.
 */
export async function compare(candidates, { starts, rounds }) {
  for (let start = 0; start < starts; start++) {
    try {
      for (const one of candidates) await one.attempt(() => one.start());
      const step = async (one, i) => {
        one.rounds[start * rounds + i] = await one.round();
      };
      await inTurn(candidates, rounds, step, SETTLE_MS);
    } finally {
      for (const one of candidates) await one.stop();
    }
  }
  return resultsOf(candidates);
}

/**
 * Measures `server` while `run` runs. `load` is the result of `run`: the usage of the load and the
 * time; `user` and `sys` are those of the server in µs; `others` and `stolen` are shares of one
 * core that other processes used and that the hypervisor took.
 */
export async function measureUsage(server, run) {
  const machine = machineUse();
  const before = await server.ask('usage');
  const load = await run();
  const after = await server.ask('usage');
  const user = after.user - before.user;
  const sys = after.sys - before.sys;
  return { load, user, sys, ...neighbours(machine, load, user + sys) };
}

function neighbours(before, load, used) {
  const after = machineUse();
  if (!before || !after) return {};
  const wall = load.ns / 1000;
  const others = (after.used - before.used - used - load.user - load.sys) / wall;
  return { others: Math.max(0, others), stolen: (after.stolen - before.stolen) / wall };
}
