/** The bytes that wait to be sent on a connection. One task sends them. */
import type { Wait } from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import { park } from '../../kernel/waits.ts';
import type { Socket } from '../../net/tcp/socket.ts';

export class Outgoing {
  #pieces: Uint8Array[] = [];
  #parking: Parking | null = null;
  /** The bytes that wait to be sent. The caller bounds them. */
  bytes = 0;

  push(data: string | Uint8Array): void {
    const piece = typeof data === 'string' ? Buffer.from(data) : data;
    this.#pieces.push(piece);
    this.bytes += piece.length;
    this.#parking?.wake();
    this.#parking = null;
  }

  /** Sends what is pushed until an error. */
  *sendAll(socket: Socket): Generator<Wait, never> {
    for (;;) {
      if (this.#pieces.length === 0) {
        this.#parking = new Parking('something to send', { external: true });
        yield* park(this.#parking);
      }
      const pieces = this.#pieces;
      this.#pieces = [];
      yield* socket.sendv(pieces);
      for (const { length } of pieces) this.bytes -= length;
    }
  }
}
