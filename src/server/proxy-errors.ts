/** The errors of the PROXY protocol. */
import type { Catalogue } from '../kernel/catalogue.ts';
import { CoronetError } from '../kernel/errors.ts';

/** A proxy that is trusted has not said for whom it connects, as the PROXY protocol demands. */
export class ProxyHeaderError extends CoronetError {
  constructor(proxy: string, why: string) {
    super('ERR_PROXY_HEADER', `Expected a header of the PROXY protocol from ${proxy}: ${why}`);
  }
}

/** What `coronet explain` says about it. */
export const PROXY_ERRORS: Catalogue = {
  ERR_PROXY_HEADER: {
    className: 'ProxyHeaderError',
    sentence: 'A trusted proxy sent no header of the PROXY protocol, a wrong one, or half of one.',
    cause:
      'The proxy is not told to send it (`send-proxy` in haproxy, `proxy_protocol on` in nginx), ' +
      'or somebody connects directly from an address in `trusted`.',
    remedy:
      'Turn it on in the proxy, or narrow `trusted`. With `required: false` connections without ' +
      'a header are served, too.',
  },
};
