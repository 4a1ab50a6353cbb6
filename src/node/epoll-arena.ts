/**
 * The arena: the memory that the epoll network receives datagrams into, one for all its sockets.
 *
 * A call into the addon fills it with a batch: the bytes of each datagram in a part of its own, and
 * nine ints for each that say how long it is and who sent it. What it holds is taken out, copied,
 * before another call can fill it again; so a datagram pins its own bytes (small ones a slice of
 * Node's pool), and the arena's memory reaches nobody else.
 */
import type { Endpoint, IncomingDatagram } from '../world/network.ts';
import type { Addon } from './addon.ts';

/** The most datagrams in a batch. A program that does not keep up has so many here at most; all
 *  others are in the system's queue, or dropped and counted there. */
export const LONGEST_BATCH: number = 16;

/** No datagram is longer: the length field of UDP has 16 bits (RFC 768). */
export const LONGEST_DATAGRAM: number = 65535;

/** Places in a record, as native/datagrams.c writes it. */
const LENGTH = 0;
const CUT = 1;
const FAMILY = 2;
const PORT = 3;
const HOST = 4;
const RECORD = 9;

/** ::ffff:0:0/96, as the third int of an address in memory shows it on this machine (RFC 4291). */
const MAPPED: number = new Int32Array(Uint8Array.of(0, 0, 0xff, 0xff).buffer)[0] as number;

const NOBODY: Endpoint = { host: '', port: 0, family: 4 };

export class DatagramArena {
  /** Not zeroed, and most of it is never touched: memory that was not written to costs nothing. */
  readonly memory: Buffer = Buffer.allocUnsafeSlow(LONGEST_BATCH * LONGEST_DATAGRAM);
  readonly records: Int32Array = new Int32Array(LONGEST_BATCH * RECORD);
  readonly #bytes = new Uint8Array(this.records.buffer);
  readonly #addon: Addon;
  /** The sender that was seen last, and its part of the record: most come from the same one. */
  #sender: Endpoint = NOBODY;
  readonly #senderRecord = new Int32Array(RECORD);

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  /** Datagram number `index` of the batch, whose parts of the memory are `stride` bytes apart. */
  take(index: number, stride: number): IncomingDatagram {
    const at = index * RECORD;
    const length = this.records[at + LENGTH] as number;
    const start = index * stride;
    return {
      data: Buffer.from(this.memory.subarray(start, start + length)),
      from: this.#senderOf(index),
      truncated: this.records[at + CUT] !== 0,
    };
  }

  #senderOf(index: number): Endpoint {
    const { records } = this;
    const last = this.#senderRecord;
    const at = index * RECORD;
    for (let i = FAMILY; i < RECORD; i += 1) {
      if (records[at + i] === last[i]) continue;
      last.set(records.subarray(at, at + RECORD));
      this.#sender = this.#read(index);
      break;
    }
    return this.#sender;
  }

  /** IPv4 is written here, in either form; the text of IPv6 by the system. */
  #read(index: number): Endpoint {
    const { records } = this;
    const at = index * RECORD;
    const port = records[at + PORT] as number;
    if (records[at + FAMILY] === 4) return { host: this.#dotted(at + HOST), port, family: 4 };
    const mapped =
      records[at + HOST] === 0 && records[at + HOST + 1] === 0 && records[at + HOST + 2] === MAPPED;
    if (!mapped) return this.#addon.sender(records, index);
    return { host: `::ffff:${this.#dotted(at + HOST + 3)}`, port, family: 6 };
  }

  #dotted(at: number): string {
    const bytes = this.#bytes;
    const first = 4 * at;
    return `${bytes[first]}.${bytes[first + 1]}.${bytes[first + 2]}.${bytes[first + 3]}`;
  }
}
