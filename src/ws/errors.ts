/** The error class of the layer ws. */
import { CoronetError } from '../kernel/errors.ts';

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
export function abnormalClosure(peer: string, why: string): WebSocketError {
  return new WebSocketError('ERR_WS_ABNORMAL_CLOSURE', `The connection to ${peer} ended: ${why}`);
}

/** The peer has sent something that RFC 6455 does not allow. */
export function protocolError(peer: string, fault: string, closeCode: number): WebSocketError {
  const message = `${peer} violated the WebSocket protocol: ${fault} (closed with ${closeCode})`;
  return new WebSocketError('ERR_WS_PROTOCOL', message, { closeCode });
}

/** A send after the close frame. */
export function alreadyClosed(peer: string): WebSocketError {
  const message = `Cannot send to ${peer}: the WebSocket connection is closed or closing`;
  return new WebSocketError('ERR_WS_CLOSED', message, { closeCode: 1000 });
}

/** An upgrade that one of the two ends did not accept. */
export function handshakeError(peer: string, why: string, status?: number): WebSocketError {
  const message = `No WebSocket connection with ${peer}: ${why}`;
  return new WebSocketError('ERR_WS_HANDSHAKE', message, status === undefined ? {} : { status });
}
