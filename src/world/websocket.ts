/** The WebSocket framing that coronet/ws uses: an implementation of RFC 6455, section 5. */

/** The events of a receiver. They are called within `write`. */
export interface WebSocketEvents {
  onMessage(data: Buffer, isBinary: boolean): void;
  onPing(data: Buffer): void;
  onPong(): void;
  /** The peer has sent a close frame; 1005: without a code. Nothing follows it. */
  onClose(code: number, reason: string): void;
}

/** A violation of the protocol by the peer. */
export interface WebSocketFault {
  readonly message: string;
  /** The close code that reports it to the peer. */
  readonly closeCode: number;
}

/** Parses the frames of one connection. */
export interface WebSocketReceiver {
  /** Parses bytes, which may be changed. Returns the first fault; nothing is parsed after it. */
  write(bytes: Buffer): WebSocketFault | null;
}

export interface WebSocketReceiverOptions {
  /** True: this end is the server, so the peer has to mask its frames. */
  readonly isServer: boolean;
  /** The maximum number of bytes of a message. */
  readonly maxBytes: number;
  /** The maximum number of fragments of a message. */
  readonly maxFragments: number;
}

/** One implementation of the framing. */
export interface WebSocketEngine {
  createReceiver(options: WebSocketReceiverOptions, events: WebSocketEvents): WebSocketReceiver;
  /** Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
  acceptKey(key: string): string;
}
