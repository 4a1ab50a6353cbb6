/** The world of a scenario: checks arguments and forwards calls to the simulator. */

import type { OperationSource } from '../kernel/operation.ts';
import { checkSource } from '../kernel/operation.ts';
import { checkDuration, checkKeys, outOfRange, wrongType } from '../support/checks.ts';
import type { ObservedSignal } from '../world/platform.ts';
import type { Link } from './core.ts';
import { SimHost } from './host.ts';
import type { Hosts } from './hosts.ts';
import { linkParameters } from './network/link.ts';
import type { Simulator } from './simulator.ts';
import type { EventuallyOptions, Host, HostOptions, HostRef, World } from './world.ts';

const SIGNAL_NUMBER: Readonly<Record<ObservedSignal, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGUSR2: 12,
  SIGTERM: 15,
};

const SIGNAL_NAMES = Object.keys(SIGNAL_NUMBER).join(', ');

/** Names with a meaning of their own. */
const RESERVED_NAMES = new Set(['localhost', '*']);

export class WorldImpl implements World {
  readonly #simulator: Simulator;
  readonly #hosts: Hosts;

  constructor(simulator: Simulator) {
    this.#simulator = simulator;
    this.#hosts = simulator.runState.hosts;
  }

  get self(): Host {
    return this.#simulator.hosts[0] as SimHost;
  }

  // ---- hosts ----

  host(name: string, program: OperationSource<unknown>, options: HostOptions = {}): Host {
    checkKeys('options', options, { clockRate: true });
    const { clockRate = 1 } = options;
    this.#checkName(name);
    checkSource(program);
    if (typeof clockRate !== 'number') throw wrongType('clockRate', 'a number > 0', clockRate);
    if (!(clockRate > 0 && clockRate < Infinity)) {
      throw outOfRange('clockRate', 'a finite number > 0', clockRate);
    }
    return this.#hosts.add(name, program, clockRate);
  }

  #checkName(name: string): void {
    if (typeof name !== 'string') throw wrongType('name', 'the name of a host', name);
    if (!/^[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/.test(name) || /^[0-9.]+$/.test(name)) {
      throw outOfRange('name', 'letters, digits, "_", "-" or ".", and not an address', name);
    }
    if (RESERVED_NAMES.has(name) || this.#hosts.find(name) !== undefined) {
      throw outOfRange('name', 'a name that no host has yet', name);
    }
  }

  crash(host: HostRef): void {
    for (const simHost of this.#restartableHosts('host', host)) {
      if (simHost.process === null) continue;
      this.#hosts.crash(simHost);
      this.#faultBegins('crash', `crash ${simHost.name}`);
    }
  }

  restart(host: HostRef): void {
    for (const simHost of this.#restartableHosts('host', host)) {
      if (simHost.process !== null) this.#hosts.crash(simHost);
      this.#hosts.start(simHost);
      this.#simulator.invariants.faultEnds(`crash ${simHost.name}`);
    }
  }

  signal(host: HostRef, signal: ObservedSignal): void {
    const number = SIGNAL_NUMBER[signal];
    if (number === undefined) throw outOfRange('signal', SIGNAL_NAMES, signal);
    for (const simHost of this.#restartableHosts('host', host)) {
      if (simHost.process === null || simHost.deliverSignal(signal)) continue;
      simHost.setExitCode(128 + number);
      this.#hosts.exit(simHost);
    }
  }

  // ---- the network between hosts ----

  partition(a: HostRef, b: HostRef): void {
    this.#eachPair(a, b, (from, to) => {
      this.#partitionOneWay(from, to);
      this.#partitionOneWay(to, from);
    });
  }

  partitionOneWay(from: HostRef, to: HostRef): void {
    this.#eachPair(from, to, (near, far) => this.#partitionOneWay(near, far));
  }

  #partitionOneWay(from: string, to: string): void {
    this.#hosts.network.partition(from, to);
    this.#faultBegins('partition', `partition ${from} ${to}`);
  }

  heal(a: HostRef, b: HostRef): void {
    this.#eachPair(a, b, (from, to) => {
      this.#healOneWay(from, to);
      this.#healOneWay(to, from);
    });
  }

  #healOneWay(from: string, to: string): void {
    this.#hosts.network.heal(from, to);
    this.#simulator.invariants.faultEnds(`partition ${from} ${to}`);
  }

  hold(a: HostRef, b: HostRef): void {
    this.#eachPair(a, b, (from, to) => {
      this.#hosts.network.hold(from, to);
      this.#faultBegins('hold', holdName(from, to));
    });
  }

  release(a: HostRef, b: HostRef): void {
    this.#eachPair(a, b, (from, to) => {
      this.#hosts.network.release(from, to);
      this.#simulator.invariants.faultEnds(holdName(from, to));
    });
  }

  link(a: HostRef, b: HostRef, link: Link): void {
    const parameters = linkParameters(link);
    this.#eachPair(a, b, (from, to) => {
      this.#hosts.network.setLink(from, to, parameters);
      this.#hosts.network.setLink(to, from, parameters);
      this.#simulator.trace('link', from, to, 0, () => '');
    });
  }

  // ---- random numbers, time, invariants ----

  random(): number {
    return this.#simulator.decisions.between('program', 0, 1);
  }

  now(): number {
    return this.#simulator.now;
  }

  always(name: string, predicate: () => boolean): void {
    checkInvariant(name, predicate);
    this.#simulator.invariants.always(name, predicate);
  }

  eventually(name: string, predicate: () => boolean, options: EventuallyOptions): void {
    checkInvariant(name, predicate);
    checkKeys('options', options, { withinMs: true });
    const { withinMs } = options;
    checkDuration('withinMs', withinMs);
    this.#simulator.invariants.eventually(name, predicate, withinMs);
  }

  // ---- helpers ----

  #faultBegins(kind: string, name: string): void {
    this.#simulator.countFault(kind);
    this.#simulator.invariants.faultBegins(name);
  }

  #find(argument: string, host: HostRef): SimHost {
    const name = host instanceof SimHost ? host.name : host;
    if (typeof name !== 'string') throw wrongType(argument, 'a host or the name of a host', name);
    const found = this.#hosts.find(name);
    if (found !== undefined) return found;
    const known = this.#simulator.hosts.map((simHost) => `'${simHost.name}'`).join(', ');
    throw outOfRange(argument, `'*' or one of the hosts ${known}`, name);
  }

  /** The hosts whose process may end. The host of the scenario runs until the end of the run. */
  #restartableHosts(argument: string, host: HostRef): SimHost[] {
    if (host === '*') return this.#simulator.hosts.slice(1);
    const simHost = this.#find(argument, host);
    if (simHost.index > 0) return [simHost];
    throw outOfRange(argument, "a host other than 'main', which runs the scenario", simHost.name);
  }

  #eachPair(a: HostRef, b: HostRef, act: (from: string, to: string) => void): void {
    const { hosts } = this.#simulator;
    const from = a === '*' ? hosts : [this.#find('a', a)];
    const to = b === '*' ? hosts : [this.#find('b', b)];
    if (from === to) {
      for (const [i, near] of hosts.entries()) {
        for (const far of hosts.slice(i + 1)) act(near.name, far.name);
      }
      return;
    }
    if (a !== '*' && b !== '*' && from[0] === to[0]) {
      throw outOfRange('b', 'a host other than `a`', (to[0] as SimHost).name);
    }
    for (const near of from) for (const far of to) if (near !== far) act(near.name, far.name);
  }
}

/** The name of a hold, the same for both directions. */
function holdName(a: string, b: string): string {
  return a < b ? `hold ${a} ${b}` : `hold ${b} ${a}`;
}

function checkInvariant(name: string, predicate: unknown): void {
  if (typeof name !== 'string') throw wrongType('name', 'a name for reports', name);
  if (typeof predicate !== 'function') throw wrongType('predicate', 'a function', predicate);
}
