/** What simulations of the command are built on: the same as those of coronet/sim. */
import { breathe, later, limit, watch } from '../../node/outside.ts';
import { SimNet } from '../../sim/network/network.ts';
import type { Parts } from '../../sim/simulate.ts';

export const parts: Parts = {
  outside: { breathe, later, limit, watch },
  makeMedium: (core, defaults) => new SimNet(core, defaults),
  debug: () => process.env['CORONET_DEBUG'] === '1',
};
