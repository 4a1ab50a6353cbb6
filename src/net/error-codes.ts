/** The net room's part of the catalogue of error codes. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const NET_ERRORS: Catalogue = {
  ERR_ADDRESS: {
    className: 'UsageError',
    sentence: 'A text or an object is no address.',
    cause: 'A host without a port, or an IPv6 address without brackets.',
    remedy: "Write 25000, '127.0.0.1:25000', '[::1]:80', '/run/x.sock' or { host, port }.",
  },
  ERR_BUFFERED: {
    className: 'UsageError',
    sentence: "A receive would pass over bytes that the socket's reader holds.",
    cause: '`socket.recv()` after `reader.readLine()`: the reader had received more than the line.',
    remedy: 'Go on reading with the reader: `reader.read()` gives what it holds first.',
  },
  ERR_FLUSH_NEEDED: {
    className: 'FlushNeededError',
    sentence: 'Bytes of a writer have to be flushed first; nothing was accepted or sent.',
    cause:
      'More was written than `highWaterMark`, or `sendAll` would overtake what was written before.',
    remedy: '`yield* writer.flush()` first. Send what is larger than the mark with `sendAll`.',
  },
  ERR_LIMIT: {
    className: 'LimitError',
    sentence: 'A message is longer than `max`; its bytes stay readable.',
    cause: 'A peer that sends more than you allow, or that speaks another protocol.',
    remedy: 'Answer with an error and close, or allow more: `readLine({ max })`.',
  },
  ERR_NOT_FLUSHED: {
    className: 'UsageError',
    sentence: 'A handler returned while bytes waited in the writer of its socket.',
    cause: 'The last `yield* writer.flush()` is missing, perhaps before an early `return`.',
    remedy: 'Flush before the handler returns, or drop the bytes with `socket.reset()`.',
  },
  ERR_TLS_OPTIONS: {
    className: 'UsageError',
    sentence: 'The options of TLS cannot be used: a certificate, a key, or one that is unknown.',
    cause:
      'A key that does not belong to the certificate, a wrong passphrase, a file that is not in ' +
      'PEM form, a misspelt option. The message says which.',
    remedy: 'Give `cert` and the `key` that belongs to it, as the contents of the files.',
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
    cause:
      'A `sendAll` was cancelled, or the system ran short of memory, after some of its bytes had ' +
      'gone out (`.bytesSent`).',
    remedy: 'Close the socket; the peer has half a message and cannot be told.',
  },
  ERR_UNEXPECTED_EOF: {
    className: 'UnexpectedEofError',
    sentence: 'The end came in the middle of a message; what had come of it is in `.bytes`.',
    cause: 'The peer closed, or its process ended, before it had sent everything.',
    remedy: 'Treat the message as lost; between messages the end is `null`, not an error.',
  },
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
      "Complete `trusted`, or keep others away with a firewall. With `untrusted: 'accept'` " +
      'they are ' +
      'served for what they are.',
  },
};
