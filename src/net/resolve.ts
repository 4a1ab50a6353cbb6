/** Name look-up as an operation. */
import type { Wait } from '../kernel/operation.ts';
import { Parking } from '../kernel/parking.ts';
import { checkpoint, park } from '../kernel/waits.ts';
import type { Endpoint } from '../world/network.ts';
import { ipFamily } from './address.ts';
import { currentNetwork } from './current-world.ts';

type FoundHosts = readonly { readonly host: string; readonly family: 4 | 6 }[];

/**
 * The endpoints of a host, in the order to try them. An IP address needs no look-up.
 * Cancel: the look-up is abandoned. Errors: ENOTFOUND, EAI_AGAIN.
 */
export function* resolveEndpoints(
  host: string,
  port: number,
): Generator<Wait, readonly Endpoint[]> {
  const family = ipFamily(host);
  if (family !== 0) return [{ host, port, family }];
  yield* checkpoint();
  const found = yield* park<FoundHosts>(new NameLookup(host));
  return found.map((each) => ({ host: each.host, port, family: each.family }));
}

/** The wait for one look-up. */
class NameLookup extends Parking {
  readonly #abandon: () => void;

  constructor(host: string) {
    super(`the address of '${host}'`, { external: true });
    this.#abandon = currentNetwork().resolve(host, (error, hosts) => {
      if (error === null || error === undefined) this.wake(hosts);
      else this.fail(error);
    });
  }

  protected override onWithdrawn(): void {
    this.#abandon();
  }
}
