/** What one end of a connection is beside its bytes: its names, its options, its faults. */
import { Readiness } from '../../../kernel/readiness.ts';
import type { BufferSizes, Endpoint, SocketOption } from '../../../world/network.ts';
import { endpointText, NOWHERE } from '../addresses.ts';
import { closedHere } from '../errors.ts';
import { injectFault, SpuriousWakeUps, shortLength } from '../faults.ts';
import { isOfTcp, SocketOptions } from '../options.ts';
import type { Connection, TransportOwner } from './connection.ts';
import { KeepAlive } from './keep-alive.ts';

export abstract class SimSocket extends Readiness {
  /** The near end: known once an attempt has begun, and kept. */
  local: Endpoint = NOWHERE;
  remote: Endpoint;
  readonly options: SocketOptions = new SocketOptions();
  /** When something has come from the peer for the last time. */
  lastReceivedAt = 0;
  /** The connection is no more, and the peer may not know. */
  terminated = false;
  protected readonly owner: TransportOwner;
  /** Whatever `remote` is set to later. */
  readonly #isUnix: boolean;
  /** Null while connecting. */
  protected connection: Connection | null = null;
  readonly #spuriousWakeUps: SpuriousWakeUps;
  /** Made when keep-alive is first set. */
  #keepAlive: KeepAlive | null = null;

  constructor(owner: TransportOwner, remote: Endpoint) {
    super();
    this.owner = owner;
    this.#spuriousWakeUps = new SpuriousWakeUps(owner.core, owner.host);
    this.remote = remote;
    this.#isUnix = 'path' in remote;
  }

  abstract timeOut(): void;
  abstract receiveReset(): void;
  protected abstract get isClosed(): boolean;

  // ------------------------------------------------------------------------------------- options

  getOption(option: SocketOption): number | undefined {
    if (this.isClosed || (isOfTcp(option) && this.#isUnix)) return undefined;
    return this.options.get(option);
  }

  setOption(option: SocketOption, value: number): void {
    if (this.isClosed) throw this.closedError();
    if (isOfTcp(option) && this.#isUnix) return;
    this.options.set(option, value);
    if (option === 'keepAlive') this.updateKeepAlive();
  }

  inherit(sizes: BufferSizes): void {
    this.options.setSizes(sizes);
  }

  /** Half of a buffer is for bytes; of a Unix socket's all of it. */
  get sendBufferBytes(): number {
    const size = this.options.get('sendBufferSize');
    return this.connection?.isUnix === true ? size : size / 2;
  }

  get recvWindow(): number {
    return this.options.get('recvBufferSize') / 2;
  }

  get userTimeoutMs(): number {
    return this.options.get('userTimeoutMs');
  }

  // ------------------------------------------------------------------------------------- probing

  get unacknowledged(): boolean {
    return this.connection?.outgoing.unacknowledged === true;
  }

  peerAnswers(): boolean {
    return this.connection?.peerTerminated !== true;
  }

  /** The peer has reset the connection, and the reset got lost. */
  resetLost(): void {
    this.#keepAlive?.scheduleProbe();
    this.connection?.outgoing.armRetransmissionTimeout();
  }

  /** Keep-alive begins or ends, as the option says. */
  protected updateKeepAlive(): void {
    const { connection } = this;
    if (connection?.links === undefined || this.isClosed) return;
    this.#keepAlive ??= new KeepAlive(this.owner.core, connection.links, this);
    this.#keepAlive.update();
  }

  protected stopKeepAlive(): void {
    this.#keepAlive?.stop();
  }

  // -------------------------------------------------------------------------------------- faults

  protected shorten(name: 'shortReads' | 'shortWrites', bytes: number): number {
    const { core, host } = this.owner;
    return bytes > 1 && injectFault(core, name, host) ? shortLength(core, bytes) : bytes;
  }

  /** A task that waits from now on is woken although nothing has come. */
  protected mayWakeSpuriously(direction: 'recv' | 'send'): void {
    this.#spuriousWakeUps.mayWake(() => {
      if (this.isClosed) return;
      if (direction === 'recv') this.notifyRecv();
      else this.notifySend();
    });
  }

  protected resetSpuriousWakeUps(): void {
    this.#spuriousWakeUps.reset();
  }

  // --------------------------------------------------------------------------------------- names

  protected closedError(): unknown {
    return closedHere(`The connection with ${this.describe()}`);
  }

  /** An accepted Unix connection has no name of its own: it goes by the listener's. */
  override describe(): string {
    const text = endpointText(this.remote);
    return text === '' ? endpointText(this.local) : text;
  }

  openLine(): string {
    const verb = this.connection === null ? 'attempt to connect' : 'connection';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }
}
