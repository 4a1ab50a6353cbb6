/** The net room's part of the catalogue of error codes. */
import type { Catalogue } from '../kernel/catalogue.ts';

export const NET_ERRORS: Catalogue = {
  ERR_ADDRESS: {
    className: 'UsageError',
    sentence: 'A text or an object is no address.',
    cause: 'A host without a port, or an IPv6 address without brackets.',
    remedy: "Write 25000, '127.0.0.1:25000', '[::1]:80', '/run/x.sock' or { host, port }.",
  },
  ERR_TLS_OPTIONS: {
    className: 'UsageError',
    sentence: 'The options of TLS cannot be used: a certificate, a key, or one that is unknown.',
    cause:
      'A key that does not belong to the certificate, a wrong passphrase, a file that is not in ' +
      'PEM form, a misspelt option. The message says which.',
    remedy: 'Give `cert` and the `key` that belongs to it, as the contents of the files.',
  },
  ERR_TORN: {
    className: 'TornError',
    sentence: 'Nothing more can be sent: an earlier send was cut off in its middle.',
    cause: 'A `sendAll` was cancelled after some of its bytes had gone out (`.bytesSent`).',
    remedy: 'Close the socket; the peer has half a message and cannot be told.',
  },
};
