/**
 * What the core asks of the simulated network. Types only: `SimNet` in network/ is the one medium,
 * and tests of the core bring their own.
 */
import type { Network } from '../world/network.ts';
import type { Link, SimCore } from './core.ts';

/** The network of one host. */
export interface HostNetwork extends Network {
  /** The address of the host, IPv4. */
  readonly address: string;
}

/** What lies between the hosts of one world. Hosts are named by name. */
export interface Medium {
  addHost(name: string): HostNetwork;
  /** The sockets of the host are gone; its peers hear of it through the network. */
  crash(name: string): void;
  /** A fresh network for the host, with the addresses that it had. */
  restart(name: string): HostNetwork;
  /** Nothing that `from` sends reaches `to`, until `heal`. */
  partition(from: string, to: string): void;
  heal(from: string, to: string): void;
  /** What the two send to each other waits until `release`. Nothing is lost. */
  hold(a: string, b: string): void;
  release(a: string, b: string): void;
  setLink(from: string, to: string, link: Link): void;
}

export type MakeMedium = (core: SimCore, defaults: { readonly link: Link }) => Medium;
