/**
 * Hosts on the simulated network without the simulator, for tests of the network alone. Hosts run
 * in order of creation until no task is ready; then time jumps to the next event or timer.
 */

import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, listen } from '../../../src/index.ts';
import type { SchedulerHost } from '../../../src/kernel/host.ts';
import type { OperationSource } from '../../../src/kernel/operation.ts';
import { Scheduler } from '../../../src/kernel/scheduler.ts';
import { isCancelled } from '../../../src/kernel/scope/cancelled.ts';
import { Timer, Timers } from '../../../src/kernel/timers.ts';
import { Decisions } from '../../../src/sim/choices/decisions.ts';
import type { Faults, Link, SimCore } from '../../../src/sim/core.ts';
import { linkParameters } from '../../../src/sim/network/link.ts';
import { SimulatedNetwork } from '../../../src/sim/network/simulated-network.ts';
import type { Network } from '../../../src/world/network.ts';

export interface NetworkTestOptions {
  readonly link?: Link;
  readonly faults?: Faults;
  readonly seed?: number;
}

const ONE_MS: Link = { latencyMs: [1, 1] };

export class NetworkTestWorld implements SimCore {
  readonly messages = null;
  now = 0;
  events = 0;
  readonly decisions: Decisions;
  readonly faults: Faults;
  readonly net: SimulatedNetwork;
  /** "send client server 12 bytes", one line for each event. */
  readonly log: string[] = [];
  readonly #timers = new Timers();
  readonly #hosts = new Map<string, NetworkTestHost>();

  constructor(options: NetworkTestOptions = {}) {
    const { link = ONE_MS, faults = {}, seed = 1 } = options;
    this.decisions = new Decisions(seed);
    this.faults = faults;
    this.net = new SimulatedNetwork(this, { link: linkParameters(link) });
  }

  host(name: string, program: OperationSource<unknown>): NetworkTestHost {
    const host = new NetworkTestHost(this, this.net.addHost(name));
    this.#hosts.set(name, host);
    host.scheduler.start(program, name);
    return host;
  }

  /** The tasks of the host never run again. */
  crash(name: string): void {
    this.#hosts.delete(name);
    this.net.crash(name);
  }

  restart(name: string, program: OperationSource<unknown>): NetworkTestHost {
    const host = new NetworkTestHost(this, this.net.restart(name));
    this.#hosts.set(name, host);
    host.scheduler.start(program, name);
    return host;
  }

  /** Runs until all programs have ended, or until the time `until`. Throws if a program fails. */
  run(until: number = Infinity): void {
    for (;;) {
      for (const host of [...this.#hosts.values()]) host.runUntilIdle();
      const hosts = [...this.#hosts.values()];
      const next = Math.min(this.#timers.nextAt, ...hosts.map((host) => host.nextAt));
      const alive = hosts.some(({ scheduler }) => scheduler.live > 0);
      if (next > until || next === Infinity || !alive) break;
      this.now = Math.max(this.now, next);
      this.#fire();
    }
    if (until !== Infinity) this.now = Math.max(this.now, until);
    for (const host of this.#hosts.values()) host.assertSucceeded(until === Infinity);
  }

  #fire(): void {
    for (let due = this.#timers.takeDue(this.now); due; due = this.#timers.takeDue(this.now)) {
      this.events++;
      due.target.expire(due);
    }
  }

  // ---- SimCore ----

  callAt(time: number, action: () => void): Timer {
    const timer = new Timer({ expire: action });
    this.#timers.arm(timer, time);
    return timer;
  }

  arm(timer: Timer, time: number): void {
    this.#timers.arm(timer, time);
  }

  disarm(timer: Timer): void {
    this.#timers.disarm(timer);
  }

  trace(...[kind, host, peer, , text]: Parameters<SimCore['trace']>): void {
    this.log.push([kind, host, peer, text()].filter(Boolean).join(' '));
  }

  /** The number of events of a kind. */
  count(kind: string): number {
    return this.log.filter((line) => line.startsWith(`${kind} `)).length;
  }
}

export class NetworkTestHost implements SchedulerHost {
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly #world: NetworkTestWorld;

  constructor(world: NetworkTestWorld, network: Network) {
    this.#world = world;
    this.network = network;
    const platform = { environment: () => undefined };
    this.scheduler = new Scheduler({ host: this, world: { network, platform } });
  }

  get nextAt(): number {
    return this.scheduler.nextTimerAt + (this.#world.now - this.scheduler.now());
  }

  now(): number {
    return this.#world.now;
  }

  wake(): void {}

  random(): number {
    return this.#world.decisions.between('program', 0, 1);
  }

  warn(problem: unknown): void {
    throw problem;
  }

  runUntilIdle(): void {
    while (this.scheduler.turn() === 0);
  }

  assertSucceeded(isFinal: boolean): void {
    const { main, live } = this.scheduler;
    if (main?.state === 'failed' && !isCancelled(main.outcome)) throw main.outcome;
    if (isFinal && live > 0) {
      throw new Error(`'${main?.name}' does not end: ${main?.waitingOn}`);
    }
  }
}

/** Runs `client` and `server` on two hosts, each with one end of a connection. */
export function withConnection(
  world: NetworkTestWorld,
  client: (socket: Socket) => Operation<unknown>,
  server: (socket: Socket, listener: Listener) => Operation<unknown>,
): void {
  world.host('server', function* (): Operation<void> {
    using listener = yield* listen(80);
    using socket = yield* listener.accept();
    yield* server(socket, listener);
  });
  world.host('client', function* (): Operation<void> {
    using socket = yield* connect('server:80');
    yield* client(socket);
  });
  world.run();
}
