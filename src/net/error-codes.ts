/** The error codes of the layer net. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const NET_ERRORS: Catalogue = {
  ERR_ADDRESS: {
    className: 'UsageError',
    sentence: 'A value is not a valid address.',
    cause: 'A host without a port, or an IPv6 address without brackets.',
    remedy: "Write 25000, '127.0.0.1:25000', '[::1]:80', '/run/x.sock' or { host, port }.",
  },
  ERR_BUFFERED: {
    className: 'UsageError',
    sentence: "A receive, or `startTls`, would skip bytes that the socket's reader holds.",
    cause:
      '`socket.recv()` after `reader.readLine()`: the reader had received more than the line. ' +
      'Before `startTls`: the peer, or an attacker, sent bytes in clear after its last message.',
    remedy:
      'Continue with the reader: `reader.read()` returns the bytes that it holds first. Instead ' +
      'of `startTls`, close the connection.',
  },
  ERR_ALREADY_TLS: {
    className: 'UsageError',
    sentence: '`startTls` was called on a connection that is encrypted already.',
    cause: 'A second STARTTLS command, or a listener or `connect` with the option `tls`.',
    remedy: 'Check `socket.tls` first, and reject the command.',
  },
  ERR_FLUSH_NEEDED: {
    className: 'FlushNeededError',
    sentence: 'The bytes of a writer must be flushed first. Nothing was accepted or sent.',
    cause:
      'More was written than `highWaterMark`, or `sendAll` would overtake bytes in the writer.',
    remedy:
      'Call `yield* writer.flush()` first, or drop the bytes with `writer.discard()`. Send data ' +
      'larger than the mark with `sendAll`.',
  },
  ERR_LIMIT: {
    className: 'LimitError',
    sentence: 'A message is longer than `max`. Its bytes stay readable.',
    cause: 'The peer sends more than the program allows, or uses another protocol.',
    remedy: 'Send an error and close, or raise the limit: `readLine({ max })`.',
  },
  ERR_MALFORMED_MESSAGE: {
    className: 'MalformedMessageError',
    sentence: 'The bytes of a message do not have the form that its codec requires.',
    cause: 'The peer uses another protocol, or sends invalid JSON.',
    remedy: 'If `recoverable`, answer with an error and continue. Otherwise close the connection.',
  },
  ERR_CODEC_WAIT: {
    className: 'UsageError',
    sentence: 'The `decode` of a codec waited for something other than its reader.',
    cause: 'A `sleep`, a lock, another socket, or a `timeout` around a read in `decode`.',
    remedy:
      'Read the message in `decode`, and wait for other things after `receive` has returned. Put ' +
      'a `timeout` around `receive`.',
  },
  ERR_NOT_FLUSHED: {
    className: 'UsageError',
    sentence: 'A handler returned while bytes waited in the writer of its socket.',
    cause: 'The last `yield* writer.flush()` is missing, for example before an early `return`.',
    remedy:
      'Flush before the handler returns, or drop the bytes with `writer.discard()`, or with the ' +
      'connection (`socket.reset()`).',
  },
  ERR_TLS_OPTIONS: {
    className: 'UsageError',
    sentence: 'The TLS options are unusable: a certificate, a key, or an unknown option.',
    cause:
      'The key does not belong to the certificate, the passphrase is wrong, a file is not in PEM ' +
      'form, or an option is misspelled. The message names it.',
    remedy: 'Pass `cert` and the `key` that belongs to it, as the contents of the files.',
  },
  ERR_CONNECTED: {
    className: 'UsageError',
    sentence: 'A datagram socket is connected to a peer and cannot have another one.',
    cause: '`sendTo` or a second `connect` on a datagram socket that is connected.',
    remedy: 'Send to the peer with `send`. For other peers, bind another socket.',
  },
  ERR_NOT_CONNECTED: {
    className: 'UsageError',
    sentence: 'A datagram socket has no peer to send to.',
    cause: '`send` or `trySend` on a datagram socket that is not connected.',
    remedy: 'Pass the receiver, `sendTo(data, address)`, or call `connect(address)` first.',
  },
  ERR_TORN: {
    className: 'TornError',
    sentence: 'Nothing more can be sent, because an earlier send was interrupted in the middle.',
    cause:
      'A `sendAll`, `sendv`, `flush` or `pipe` was cancelled, or the system ran short of memory, ' +
      'after a part of its bytes was sent (`.bytesSent`). Or the connection from which `pipe` ' +
      'received has failed.',
    remedy: 'Close or reset the socket: the peer has a part of a message.',
  },
  ERR_UNEXPECTED_EOF: {
    className: 'UnexpectedEofError',
    sentence: 'The stream ended in the middle of a message. The received part is in `.bytes`.',
    cause: 'The peer closed, or its process ended, before it had sent the whole message.',
    remedy: 'Treat the message as lost. Between two messages the end is `null`, not an error.',
  },
  ERR_PROXY_HEADER: {
    className: 'ProxyHeaderError',
    sentence: 'A trusted proxy sent no PROXY protocol header, or an invalid or incomplete one.',
    cause:
      'The proxy is not configured to send it (`send-proxy` in haproxy, `proxy_protocol on` in ' +
      'nginx), or a client connects directly from an address in `trusted`.',
    remedy:
      'Enable it in the proxy, including its health checks (`check-send-proxy` in haproxy), ' +
      'or narrow `trusted`.',
  },
  ERR_PROXY_UNTRUSTED: {
    className: 'ProxyUntrustedError',
    sentence: 'A connection from an address that is not a trusted proxy was reset.',
    cause:
      'A client has connected without the proxy, or `trusted` lacks an address from which the ' +
      'proxy connects.',
    remedy:
      'Complete `trusted`, or block other clients with a firewall. `untrusted: ' +
      "'accept'` accepts them with their own address.",
  },
};
