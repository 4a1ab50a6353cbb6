// One server with its load, and the rounds of a cell.
//
// All servers of a cell run at the same time, each with its own load, but only one is active. A
// round asks the server for its usage, lets the load run and drain, and asks again.

import { Candidate, compare, measureUsage, startProcess } from '../lib/comparison.mjs';
import { median } from '../lib/stats.mjs';

export async function startServer(spec, place) {
  const { process, first } = await startProcess(spec.name, place.server, spec.command);
  return { server: process, port: first.port };
}

function loadArguments({ connections, size, depth, protocol, short }) {
  return short ? [connections, short] : [connections, size, depth, protocol];
}

/** A load with open connections and one echo on each. */
export async function startLoad({ load, place }, port, cell) {
  const command = [...load.command, port, ...loadArguments(cell), ...load.tail];
  return (await startProcess('load', place.load, command, 30_000)).process;
}

/** Idle connections of the load `echo`. */
export const idle = (connections) => ({ connections, size: 64, depth: 1, protocol: 'echo' });

// V8 compiles for a long time if connections are short: they run more code than messages do. So
// the warm-up of these cells lasts until the server has used this CPU time (µs), which takes longer
// on a busy machine.
const WARM_CPU = 2_000_000;
const MAX_WARM_RUNS = 16;

class Server extends Candidate {
  constructor(spec, cell, env) {
    super(spec);
    this.cell = cell;
    this.env = env;
  }

  async start() {
    const { spec, cell, env } = this;
    const { server, port } = await startServer(spec, env.place);
    this.server = server;
    if (env.background > 0 && cell.protocol === 'echo') {
      this.idle = await startLoad(env, port, idle(env.background));
    }
    this.load = await startLoad(env, port, cell);
    await this.warm(env.warmMs / 2);
  }

  async warm(ms) {
    await this.load.ask(`check ${ms}`, 30_000);
    await this.load.ask(`run ${ms}`, 30_000);
    if (!this.cell.short) return;
    for (let left = MAX_WARM_RUNS; left > 0; left--) {
      const { user, sys } = await this.server.ask('usage');
      if (user + sys >= WARM_CPU) return;
      await this.load.ask(`run ${ms}`, 30_000);
    }
  }

  async stop() {
    for (const process of [this.load, this.idle, this.server]) await process?.stop();
    this.load = this.idle = this.server = undefined;
  }

  async round() {
    const ms = this.env.seconds * 1000;
    const command = this.cell.paced ? `pace ${ms} ${this.env.rate}` : `run ${ms}`;
    return summary(await measureUsage(this.server, () => this.load.ask(command, ms + 20_000)));
  }
}

/** Per message. The latencies of an open loop are in µs. */
function summary({ load, user, sys, ...neighbours }) {
  const { messages, ns, user: loadUser, sys: loadSys, ...latencies } = load;
  const wall = ns / 1000 / messages;
  const total = (user + sys) / messages;
  return {
    rate: 1e6 / wall,
    user: user / messages,
    sys: sys / messages,
    total,
    busy: total / wall,
    loadCpu: (loadUser + loadSys) / messages,
    ...latencies,
    ...neighbours,
  };
}

/** Half of the rate of `spec` in a closed loop, in messages per second. */
async function halfOfLimit(spec, cell, env) {
  const server = new Server(spec, { ...cell, paced: false }, env);
  try {
    await server.start();
    const rates = [];
    for (let i = 0; i < 3; i++) rates.push((await server.round()).rate);
    return Math.round(median(rates) / 2);
  } finally {
    await server.stop();
  }
}

/** The rate of an open loop: half of that of C or, without C, of the first server. */
async function measurePaced(cell, specs, env) {
  const limit = specs.find((spec) => spec.name === 'c') ?? specs[0];
  try {
    const rate = await halfOfLimit(limit, cell, env);
    return await compareServers(cell, specs, { ...env, rate });
  } catch (error) {
    return specs.map(({ name, kind }) => ({ name, kind, rounds: [], failed: error.message }));
  }
}

const compareServers = (cell, specs, env) =>
  compare(
    specs.map((spec) => new Server(spec, cell, env)),
    env,
  );

/** All rounds of one cell, [{ name, kind, rounds, failed? }], in the order of `specs`. */
export const measureCell = (cell, specs, env) =>
  cell.paced ? measurePaced(cell, specs, env) : compareServers(cell, specs, env);
