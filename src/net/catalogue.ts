/** The net room's part of the catalogue of error codes. */
import type { Catalogue } from '../kernel/catalogue.ts';

export const NET_ERRORS: Catalogue = {
  ERR_ADDRESS: {
    className: 'UsageError',
    sentence: 'A text or an object is no address.',
    cause: 'A host without a port, or an IPv6 address without brackets.',
    remedy: "Write 25000, '127.0.0.1:25000', '[::1]:80', '/run/x.sock' or { host, port }.",
  },
  ERR_CONNECTED: {
    className: 'UsageError',
    sentence: 'A datagram socket has a peer already, and no other one beside it.',
    cause: '`sendTo` or a second `connect` on a datagram socket that is connected.',
    remedy: 'Send to the peer with `send`; for others, bind another socket.',
  },
  ERR_NOT_CONNECTED: {
    className: 'UsageError',
    sentence: 'A datagram socket has no peer to send to.',
    cause: '`send` or `trySend` on a datagram socket that was not connected.',
    remedy: 'Name the receiver, `sendTo(data, address)`, or `connect(address)` first.',
  },
  ERR_TORN: {
    className: 'TornError',
    sentence: 'Nothing more can be sent: an earlier send was cut off in its middle.',
    cause: 'A `sendAll` was cancelled after some of its bytes had gone out (`.bytesSent`).',
    remedy: 'Close the socket; the peer has half a message and cannot be told.',
  },
};
