/** The errors of the PROXY protocol. */
import type { Catalogue } from '../kernel/catalogue.ts';
import { CoronetError } from '../kernel/errors.ts';

/** A proxy that is trusted has not said for whom it connects, as the PROXY protocol demands. */
export class ProxyHeaderError extends CoronetError {
  constructor(proxy: string, why: string) {
    super('ERR_PROXY_HEADER', `Expected a header of the PROXY protocol from ${proxy}: ${why}`);
  }
}

/** Somebody who is not among the trusted proxies has connected past them. */
export class ProxyUntrustedError extends CoronetError {
  constructor(peer: string) {
    const text = `${peer} is not in \`trusted\` of \`proxyProtocol\`, and was refused`;
    super('ERR_PROXY_UNTRUSTED', text);
  }
}

/** What `coronet explain` says about them. */
export const PROXY_ERRORS: Catalogue = {
  ERR_PROXY_HEADER: {
    className: 'ProxyHeaderError',
    sentence: 'A trusted proxy sent no header of the PROXY protocol, a wrong one, or half of one.',
    cause:
      'The proxy is not told to send it (`send-proxy` in haproxy, `proxy_protocol on` in nginx), ' +
      'or somebody connects directly from an address in `trusted`.',
    remedy:
      'Turn it on in the proxy, for its health checks as well (`check-send-proxy` in haproxy), ' +
      'or narrow `trusted`.',
  },
  ERR_PROXY_UNTRUSTED: {
    className: 'ProxyUntrustedError',
    sentence: 'A connection that does not come from a trusted proxy was refused.',
    cause:
      'Somebody has connected past the proxy, or `trusted` lacks an address from which the proxy ' +
      'connects.',
    remedy:
      "Complete `trusted`, or keep others away with a firewall. With `others: 'serve'` they are " +
      'served for what they are.',
  },
};
