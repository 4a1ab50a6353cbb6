/** All error codes: the parts of the rooms put together. */
import { COMBINATOR_ERRORS } from '../flow/combinator-errors.ts';
import { FLOW_ERRORS } from '../flow/errors.ts';
import type { Catalogue } from '../kernel/catalogue.ts';
import { KERNEL_ERRORS } from '../kernel/catalogue.ts';
import { NET_ERRORS } from '../net/catalogue.ts';
import { PROXY_ERRORS } from '../net/proxy-errors.ts';
import { NODE_ERRORS } from '../node/catalogue.ts';
import { WORKER_ERRORS } from '../server/worker-errors.ts';
import { SIM_ERRORS } from '../sim/catalogue.ts';

/** In the order of the codes. */
export const catalogue: Catalogue = Object.fromEntries(
  Object.entries({
    ...KERNEL_ERRORS,
    ...FLOW_ERRORS,
    ...COMBINATOR_ERRORS,
    ...NET_ERRORS,
    ...NODE_ERRORS,
    ...PROXY_ERRORS,
    ...WORKER_ERRORS,
    ...SIM_ERRORS,
  }).sort(([a], [b]) => (a < b ? -1 : 1)),
);
