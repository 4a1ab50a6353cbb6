// One relay with its load, and the rounds of a cell.
//
// All relays of a cell run at the same time, each with its own load, but only one is active. A
// round asks the relay for its usage, moves the bytes, and asks again.

import { Candidate, compare, measureUsage, startProcess } from '../lib/comparison.mjs';

const ROUND_MS = 60_000;

class Relay extends Candidate {
  constructor(spec, { pairs }, env) {
    super(spec);
    this.pairs = pairs;
    this.env = env;
  }

  async start() {
    const { spec, pairs, env } = this;
    const { place, load } = env;
    const { process, first } = await startProcess(spec.name, place.server, spec.command);
    this.relay = process;
    const command = [...load.command, first.port, pairs, env.window, ...load.tail];
    this.load = (await startProcess('load', place.load, command, 30_000)).process;
    await this.move('check', env.warmBytes / 2);
    await this.move('run', env.warmBytes / 2);
  }

  async stop() {
    for (const process of [this.load, this.relay]) await process?.stop();
    this.load = this.relay = undefined;
  }

  /** `bytes`: the total of all pairs. */
  move(command, bytes) {
    const each = Math.max(1, Math.round(bytes / this.pairs));
    return this.load.ask(`${command} ${each}`, ROUND_MS);
  }

  async round() {
    return summary(await measureUsage(this.relay, () => this.move('run', this.env.bytes)));
  }
}

/** CPU in ms per GB, which is ps per byte; the rate in GB/s. */
function summary({ load, user, sys, ...neighbours }) {
  const scale = 1e6 / load.bytes;
  return {
    rate: load.bytes / load.ns,
    user: user * scale,
    sys: sys * scale,
    total: (user + sys) * scale,
    busy: ((user + sys) * 1000) / load.ns,
    loadCpu: (load.user + load.sys) * scale,
    ...neighbours,
  };
}

/** All rounds of one cell, [{ name, rounds, failed? }], in the order of `specs`. */
export function measureCell(cell, specs, env) {
  return compare(
    specs.map((spec) => new Relay(spec, cell, env)),
    env,
  );
}
