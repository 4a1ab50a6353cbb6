/** What one end of a connection is beside its bytes: its names, its options, its faults. */
import { Readiness } from '../../kernel/readiness.ts';
import type { BufferSizes, Endpoint, SocketOption } from '../../world/network.ts';
import { endpointText, NOWHERE } from './addresses.ts';
import { closedHere } from './errors.ts';
import { Fooling, shortened, strikes } from './faults.ts';
import { isOfTcp, Options } from './options.ts';
import { Probing } from './probing.ts';
import type { TransportOwner, Wire } from './wire.ts';

export abstract class SimEnd extends Readiness {
  /** The near end: known once an attempt has begun, and kept. */
  local: Endpoint = NOWHERE;
  remote: Endpoint;
  readonly options: Options = new Options();
  /** When something has come from the peer for the last time. */
  heardAt = 0;
  /** The connection is no more, and the peer may not know. */
  gone = false;
  protected readonly owner: TransportOwner;
  /** Whatever `remote` is set to later. */
  readonly #isUnix: boolean;
  /** Null while connecting. */
  protected wire: Wire | null = null;
  readonly #fooling: Fooling;
  /** Made when keep-alive is first set. */
  #probing: Probing | null = null;

  constructor(owner: TransportOwner, remote: Endpoint) {
    super();
    this.owner = owner;
    this.#fooling = new Fooling(owner.core, owner.host);
    this.remote = remote;
    this.#isUnix = 'path' in remote;
  }

  abstract timesOut(): void;
  abstract receivesReset(): void;
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
    if (option === 'keepAlive') this.probe();
  }

  inherit(sizes: BufferSizes): void {
    this.options.setSizes(sizes);
  }

  /** Half of a buffer is for bytes; of a Unix socket's all of it. */
  get sendRoom(): number {
    const size = this.options.get('sendBufferSize');
    return this.wire?.local === true ? size : size / 2;
  }

  get recvRoom(): number {
    return this.options.get('recvBufferSize') / 2;
  }

  get userTimeoutMs(): number {
    return this.options.get('userTimeoutMs');
  }

  // ------------------------------------------------------------------------------------- probing

  get unacknowledged(): boolean {
    return this.wire?.outgoing.unacknowledged === true;
  }

  peerAnswers(): boolean {
    return this.wire?.peerGone !== true;
  }

  /** The peer has reset the connection, and the reset got lost. */
  missesReset(): void {
    this.#probing?.doubt();
    this.wire?.outgoing.doubt();
  }

  /** Keep-alive begins or ends, as the option says. */
  protected probe(): void {
    const { wire } = this;
    if (wire?.ways === undefined || this.isClosed) return;
    this.#probing ??= new Probing(this.owner.core, wire.ways, this);
    this.#probing.update();
  }

  protected endProbing(): void {
    this.#probing?.end();
  }

  // -------------------------------------------------------------------------------------- faults

  protected cutShort(name: 'shortReads' | 'shortWrites', bytes: number): number {
    const { core, host } = this.owner;
    return bytes > 1 && strikes(core, name, host) ? shortened(core, bytes) : bytes;
  }

  /** A task that waits from now on is woken although nothing has come. */
  protected mayFool(direction: 'recv' | 'send'): void {
    this.#fooling.begin(() => {
      if (this.isClosed) return;
      if (direction === 'recv') this.grantRecv();
      else this.grantSend();
    });
  }

  protected endFooling(): void {
    this.#fooling.end();
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
    const verb = this.wire === null ? 'attempt to connect' : 'connection';
    return `${verb} ${endpointText(this.local)} to ${endpointText(this.remote)}`;
  }
}
