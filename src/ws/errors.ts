/** The error class of the layer ws. */
import { CoronetError } from '../kernel/errors.ts';
import { faultOfPeer } from '../net/errors.ts';
import type { Socket } from '../net/tcp/socket.ts';

/** A WebSocket connection has failed, or was not accepted. */
export class WebSocketError extends CoronetError {
  /** The close code (RFC 6455, section 7.4): 1002, 1007, 1008 or 1009 was sent to the peer; 1006:
   *  the connection ended without a close frame. */
  readonly closeCode: number;
  /** The status of an HTTP response that did not accept the connection. */
  readonly status: number | undefined;

  constructor(code: string, message: string, facts: { closeCode?: number; status?: number } = {}) {
    super(code, message);
    this.closeCode = facts.closeCode ?? 1006;
    this.status = facts.status;
  }
}

/** The stream ended, or the peer stopped responding, without a close frame. */
export function abnormalClosure(socket: Socket, why: string): WebSocketError {
  const message = `The connection to ${socket.name} ended: ${why}`;
  return faultOfPeer(new WebSocketError('ERR_WS_ABNORMAL_CLOSURE', message), socket);
}

/** The peer has sent something that RFC 6455 does not allow. */
export function protocolError(socket: Socket, fault: string, closeCode: number): WebSocketError {
  const { name } = socket;
  const message = `${name} violated the WebSocket protocol: ${fault} (closed with ${closeCode})`;
  return faultOfPeer(new WebSocketError('ERR_WS_PROTOCOL', message, { closeCode }), socket);
}

/** A send after the close frame. A peer may close at any time, so it is not a failure. */
export function alreadyClosed(socket: Socket): WebSocketError {
  const message = `Cannot send to ${socket.name}: the WebSocket connection is closed or closing`;
  return faultOfPeer(new WebSocketError('ERR_WS_CLOSED', message, { closeCode: 1000 }), socket);
}

/** An upgrade that one of the two ends did not accept. */
export function handshakeError(peer: string, why: string, status?: number): WebSocketError {
  const message = `No WebSocket connection with ${peer}: ${why}`;
  return new WebSocketError('ERR_WS_HANDSHAKE', message, status === undefined ? {} : { status });
}
