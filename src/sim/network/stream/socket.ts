/** The part of a transport apart from its bytes: addresses, options, keep-alive, faults. */
import { Readiness } from '../../../kernel/readiness.ts';
import type { Endpoint, SocketOption } from '../../../world/network.ts';
import { endpointText, NOWHERE } from '../addresses.ts';
import { closedHere } from '../errors.ts';
import { injectFault, SpuriousWakeUps, shortLength } from '../faults.ts';
import type { SimHostNetwork } from '../network.ts';
import { isOfTcp, SocketOptions } from '../options.ts';
import type { Connection } from './connection.ts';
import { KeepAlive } from './keep-alive.ts';

export abstract class SimSocket extends Readiness {
  /** The near address. Known once connecting begins, and kept. */
  local: Endpoint = NOWHERE;
  remote: Endpoint;
  readonly options: SocketOptions = new SocketOptions();
  /** The arrival of the last segment from the peer. */
  lastReceivedAt = 0;
  /** True: the connection no longer exists here, but may still exist at the peer. */
  terminated = false;
  protected readonly owner: SimHostNetwork;
  /** Fixed, unlike `remote`. */
  readonly #isUnix: boolean;
  /** Null while connecting. */
  protected connection: Connection | null = null;
  protected readonly spuriousWakeUps: SpuriousWakeUps;
  /** Created when keep-alive is first enabled. */
  #keepAlive: KeepAlive | null = null;

  constructor(owner: SimHostNetwork, remote: Endpoint) {
    super();
    this.owner = owner;
    this.spuriousWakeUps = new SpuriousWakeUps(owner.core, owner.host, this);
    this.remote = remote;
    this.#isUnix = 'path' in remote;
  }

  abstract timeOut(): void;
  abstract receiveReset(): void;
  abstract get closed(): boolean;

  // ---- options ----

  getOption(option: SocketOption): number | undefined {
    if (this.closed || (isOfTcp(option) && this.#isUnix)) return undefined;
    return this.options.get(option);
  }

  setOption(option: SocketOption, value: number): void {
    if (this.closed) throw this.closedError();
    if (isOfTcp(option) && this.#isUnix) return;
    this.options.set(option, value);
    if (option === 'keepAlive') this.updateKeepAlive();
  }

  /**
   * The size of the send buffer in bytes: the maximum that is written and not acknowledged.
   * Half of a TCP buffer is for bytes (tcp(7)), and all of a Unix socket's.
   */
  get sendBufferBytes(): number {
    const size = this.options.get('sendBufferSize');
    return this.#isUnix ? size : size / 2;
  }

  /** The receive window in bytes: the maximum that is received and not read. */
  get recvWindow(): number {
    return this.options.get('recvBufferSize') / 2;
  }

  // ------------------------------------------------------------------------------------- probing

  get unacknowledged(): boolean {
    return this.connection?.outgoing.unacknowledged === true;
  }

  /** False: the peer no longer exists and would answer with a reset. */
  peerAnswers(): boolean {
    return this.connection?.peer.terminated !== true;
  }

  /** The peer has reset the connection, and the reset was lost. */
  resetLost(): void {
    this.#keepAlive?.scheduleProbe();
    this.connection?.outgoing.armRetransmissionTimeout();
  }

  /** Starts or stops keep-alive, depending on the option. */
  protected updateKeepAlive(): void {
    const { connection } = this;
    if (connection?.links === undefined || this.closed) return;
    this.#keepAlive ??= new KeepAlive(this.owner.core, connection.links, this);
    this.#keepAlive.update();
  }

  protected stopKeepAlive(): void {
    this.#keepAlive?.stop();
  }

  // ---- faults ----

  protected shorten(name: 'shortReads' | 'shortWrites', bytes: number): number {
    const { core, host } = this.owner;
    return bytes > 1 && injectFault(core, name, host) ? shortLength(core, bytes) : bytes;
  }

  // --------------------------------------------------------------------------------------- names

  protected closedError(): unknown {
    return closedHere(`The connection with ${this.describe()}`);
  }

  /** An accepted Unix connection has no name and is described by that of the listener. */
  override describe(): string {
    const text = endpointText(this.remote);
    return text === '' ? endpointText(this.local) : text;
  }

  openLine(): string {
    const verb = this.connection === null ? 'attempt to connect' : 'connection';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }
}
