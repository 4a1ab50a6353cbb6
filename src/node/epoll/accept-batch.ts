/**
 * Accepts connections for a listener: one call into the addon for each batch, which returns the
 * handles and the peers as numbers. The results are read to their end before the next call.
 */
import type { Endpoint } from '../../world/network.ts';
import type { Addon } from '../addon.ts';
import { dotted } from '../endpoint.ts';

/** Connections of one accept call. */
export const MAX_BATCH = 64;

export class AcceptBatch {
  readonly #addon: Addon;
  /** The status of the call, then a record for each connection. */
  readonly #results: Int32Array;
  readonly #bytes: Uint8Array;
  /** The host of the latest peer, and the numbers that it was made of. Connections from the same
   *  host share one string. */
  #host = '';
  #hostFamily = 0;
  #hostAddress = 0;

  constructor(addon: Addon) {
    this.#addon = addon;
    this.#results = new Int32Array(1 + MAX_BATCH * addon.constants.ACCEPT_INTS);
    this.#bytes = new Uint8Array(this.#results.buffer);
  }

  /** Accepts at most `most` connections. Returns their number, or EBADF. */
  run(listener: number, most: number): number {
    return this.#addon.accept(listener, this.#results, most);
  }

  /** EAGAIN, an error, or 0 for "there may be more". */
  get status(): number {
    return this.#results[0] as number;
  }

  handleAt(index: number): number {
    const { ACCEPT_INTS, ACCEPT_HANDLE } = this.#addon.constants;
    return this.#results[1 + index * ACCEPT_INTS + ACCEPT_HANDLE] as number;
  }

  /** The peer, if it has an IPv4 address, also a mapped one. The addon formats the others. */
  peerAt(index: number): Endpoint | undefined {
    const { ACCEPT_INTS, ACCEPT_FAMILY, ACCEPT_PORT, ACCEPT_HOST } = this.#addon.constants;
    const at = 1 + index * ACCEPT_INTS;
    const family = this.#results[at + ACCEPT_FAMILY] as 0 | 4 | 6;
    if (family === 0) return undefined;
    const port = this.#results[at + ACCEPT_PORT] as number;
    return { host: this.#hostOf(family, at + ACCEPT_HOST), port, family };
  }

  #hostOf(family: 4 | 6, at: number): string {
    const address = this.#results[at] as number;
    if (family !== this.#hostFamily || address !== this.#hostAddress) {
      const host = dotted(this.#bytes, 4 * at);
      this.#host = family === 4 ? host : `::ffff:${host}`;
      this.#hostFamily = family;
      this.#hostAddress = address;
    }
    return this.#host;
  }
}
