// Programs that are measured side by side, in turns.

import { machineUse, on } from './machine.mjs';
import { LineProcess } from './process.mjs';

const SETTLE_MS = 20;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One program of the comparison, and what its rounds gave. */
export class Contestant {
  rounds = [];
  failed; // the first failure; a contestant that has one sits out the rest of the cell

  constructor(spec) {
    this.spec = spec;
  }

  /** Runs `step`, and keeps its failure: one broken program must not cost the others' figures. */
  async attempt(step) {
    if (this.failed) return;
    try {
      await step();
    } catch (error) {
      this.failed = error.message;
    }
  }
}

/** A process on its core, once it has said its first line: { process, said }. */
export async function begin(name, core, command, timeoutMs) {
  const process = new LineProcess(name, on(core, command.map(String)));
  try {
    return { process, said: await process.answer(timeoutMs) };
  } catch (error) {
    await process.stop();
    throw error;
  }
}

/** Each round begins with another contestant, so that none always runs after the same one. */
async function inTurn(contestants, rounds, step) {
  for (let i = 0; i < rounds; i++) {
    for (let j = 0; j < contestants.length; j++) {
      const one = contestants[(i + j) % contestants.length];
      await one.attempt(() => step(one, i));
      await pause(SETTLE_MS);
    }
  }
}

/**
 * All rounds of one cell: [{ name, rounds, failed? }], in the order of the contestants. They have
 * `start()`, `round()` and `stop()`, and begin anew `starts` times.
 */
export async function contest(contestants, { starts, rounds }) {
  for (let start = 0; start < starts; start++) {
    try {
      for (const one of contestants) await one.attempt(() => one.start());
      await inTurn(contestants, rounds, async (one, i) => {
        one.rounds[start * rounds + i] = await one.round();
      });
    } finally {
      for (const one of contestants) await one.stop();
    }
  }
  return contestants.map(({ spec, rounds: all, failed }) => ({
    name: spec.name,
    rounds: all,
    failed,
  }));
}

/**
 * Lets `run` pass between two questions to `server` for its usage. `load` is what `run` gave: its
 * own usage and the time; `user` and `sys` are the server's, in µs; `others` and `stolen` shares
 * of one core, used by processes that are not ours, and taken by the hypervisor.
 */
export async function charged(server, run) {
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
