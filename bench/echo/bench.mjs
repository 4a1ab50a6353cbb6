// One server with its load, and the rounds of a cell.
//
// All servers of a cell are up at once, each with its own load, all quiet but the one whose turn it
// is. A round is: ask the server for its usage, let the load run and drain, ask again.

import { machineUse, on } from '../lib/machine.mjs';
import { LineProcess } from '../lib/process.mjs';

const SETTLE_MS = 20;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function startServer(spec, place) {
  const server = new LineProcess(spec.name, on(place.server, spec.command));
  try {
    const { port } = await server.answer();
    return { server, port };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** A load with its connections open, one echo done on each. */
export async function startLoad({ load, place, port, connections, size = 64, depth = 1 }) {
  const command = [...load.command, port, connections, size, depth].map(String);
  const process = new LineProcess('load', on(place.load, [...command, ...load.tail]));
  try {
    await process.answer(30_000);
    return process;
  } catch (error) {
    await process.stop();
    throw error;
  }
}

class Contestant {
  rounds = [];
  failed; // the first failure; a contestant that has one sits out the rest of the cell

  constructor(spec) {
    this.spec = spec;
  }

  /** Runs `step`, and keeps its failure: one broken server must not cost the others' figures. */
  async attempt(step) {
    if (this.failed) return;
    try {
      await step();
    } catch (error) {
      this.failed = error.message;
    }
  }

  async start(cell, env) {
    const { server, port } = await startServer(this.spec, env.place);
    this.server = server;
    if (env.background > 0) {
      this.idle = await startLoad({ ...env, port, connections: env.background });
    }
    this.load = await startLoad({ ...env, port, ...cell });
    await this.load.ask(`check ${env.warmMs / 2}`, 30_000);
    await this.load.ask(`run ${env.warmMs / 2}`, 30_000);
  }

  async stop() {
    for (const process of [this.load, this.idle, this.server]) await process?.stop();
    this.load = this.idle = this.server = undefined;
  }

  async round(at, seconds) {
    const machine = machineUse();
    const before = await this.server.ask('usage');
    const load = await this.load.ask(`run ${seconds * 1000}`, seconds * 1000 + 20_000);
    const after = await this.server.ask('usage');
    this.rounds[at] = summary(before, after, load, neighbours(machine, load, before, after));
  }
}

/** Shares of one core, used by processes that are not ours, and taken by the hypervisor. */
function neighbours(before, load, usedBefore, usedAfter) {
  const after = machineUse();
  if (!before || !after) return {};
  const server = usedAfter.user + usedAfter.sys - usedBefore.user - usedBefore.sys;
  const wall = load.ns / 1000;
  const others = (after.used - before.used - server - load.user - load.sys) / wall;
  return { others: Math.max(0, others), stolen: (after.stolen - before.stolen) / wall };
}

function summary(before, after, load, neighbour) {
  const user = (after.user - before.user) / load.messages;
  const sys = (after.sys - before.sys) / load.messages;
  const wall = load.ns / 1000 / load.messages;
  return {
    rate: 1e6 / wall,
    user,
    sys,
    total: user + sys,
    busy: (user + sys) / wall,
    loadCpu: (load.user + load.sys) / load.messages,
    ...neighbour,
  };
}

/** Each round begins with another server, so that none always runs after the same one. */
async function rounds(contestants, first, { rounds, seconds }) {
  for (let i = 0; i < rounds; i++) {
    for (let j = 0; j < contestants.length; j++) {
      const one = contestants[(i + j) % contestants.length];
      await one.attempt(() => one.round(first + i, seconds));
      await pause(SETTLE_MS);
    }
  }
}

/** All rounds of one cell: [{ name, rounds, failed? }], in the order of `specs`. */
export async function measureCell(cell, specs, env) {
  const contestants = specs.map((spec) => new Contestant(spec));
  for (let start = 0; start < env.starts; start++) {
    try {
      for (const one of contestants) await one.attempt(() => one.start(cell, env));
      await rounds(contestants, start * env.rounds, env);
    } finally {
      for (const one of contestants) await one.stop();
    }
  }
  return contestants.map(({ spec, rounds, failed }) => ({ name: spec.name, rounds, failed }));
}
