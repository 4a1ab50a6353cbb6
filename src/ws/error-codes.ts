/** The error codes of the layer ws. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const WS_ERRORS: Catalogue = {
  ERR_WS_ABNORMAL_CLOSURE: {
    className: 'WebSocketError',
    sentence: 'A WebSocket connection ended without a close frame.',
    cause: 'The peer or the network failed, or no pong arrived within `pongTimeoutMs`.',
    remedy: 'Treat the connection as lost. A client connects again, with a growing delay.',
  },
  ERR_WS_CLOSED: {
    className: 'WebSocketError',
    sentence: 'A message was sent after the close frame.',
    cause: '`send` after `close`, after the peer has closed, or while the server drains.',
    remedy: 'End the task that sends when `receive` returns `null`.',
  },
  ERR_WS_HANDSHAKE: {
    className: 'WebSocketError',
    sentence: 'A WebSocket handshake has failed.',
    cause:
      'The request is not a valid upgrade, its origin is not allowed, or the server answered ' +
      'with another status than 101 (`.status`).',
    remedy: 'Read the message: it names the header or the status.',
  },
  ERR_WS_PROTOCOL: {
    className: 'WebSocketError',
    sentence: 'The peer violated the WebSocket protocol. `.closeCode` was sent to it.',
    cause:
      'An invalid frame (1002), text that is not UTF-8 (1007), too many fragments (1008), or a ' +
      'message above `maxMessageBytes` (1009).',
    remedy: 'Close the connection. Raise `maxMessageBytes` if such messages are to be accepted.',
  },
};
