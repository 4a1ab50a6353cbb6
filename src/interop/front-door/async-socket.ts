/** AsyncSocket: a Socket with promise methods, for the functions of `asyncHandler`. */
import { ClosedError, UsageError } from '../../kernel/errors.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { operationOf } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import type { Group } from '../../kernel/task/group.ts';
import type { SocketAddress } from '../../net/address.ts';
import type { ReaderOptions } from '../../net/buffered/reader.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import type { StartTlsOptions } from '../../net/tls/start-tls.ts';
import type { TlsInfo } from '../../world/tls.ts';
import { AbortError } from '../to-async.ts';

/**
 * A connection in an async function; passed by `asyncHandler`. Each method runs the operation of
 * the same name, of the socket or of its reader, in a task of the handler, and returns its promise.
 * One receive or read and one send may be in progress at a time; further ones reject with ERR_BUSY.
 * `for await` iterates over received chunks.
 *
 * Errors: those of the operations; an AbortError after the signal of the handler has aborted;
 * ERR_CLOSED after the handler has ended.
 *
 * @example
 * for await (const chunk of socket) await socket.sendAll(chunk);
 */
export class AsyncSocket implements AsyncIterable<Buffer> {
  readonly #socket: Socket;
  readonly #operations: AsyncOperations;

  /** Sockets of this kind are created by `asyncHandler`. @internal */
  constructor(socket: Socket, operations: AsyncOperations) {
    this.#socket = socket;
    this.#operations = operations;
  }

  /**
   * Runs any operation in a task of the handler.
   *
   * @example
   * const lines = await socket.run((plain) => plain.reader().readLines());
   */
  run<T>(operation: (socket: Socket) => Operation<T>): Promise<T> {
    return this.#operations.run(operation);
  }

  /** See `Socket.recv`. */
  recv(max?: number): Promise<Buffer> {
    return this.run((socket) => socket.recv(max));
  }

  /** See `Reader.read`. */
  read(max?: number): Promise<Buffer> {
    return this.run((socket) => socket.reader().read(max));
  }

  /** See `Reader.readExactly`. */
  readExactly(n: number): Promise<Buffer | null> {
    return this.run((socket) => socket.reader().readExactly(n));
  }

  /** See `Reader.readUntil`. */
  readUntil(delimiter: string | Uint8Array, options?: ReaderOptions): Promise<Buffer | null> {
    return this.run((socket) => socket.reader().readUntil(delimiter, options));
  }

  /** See `Reader.readLine`. */
  readLine(options?: ReaderOptions): Promise<string | null> {
    return this.run((socket) => socket.reader().readLine(options));
  }

  /** See `Socket.send`. */
  send(data: Uint8Array | string): Promise<number> {
    return this.run((socket) => socket.send(data));
  }

  /** See `Socket.sendAll`. */
  sendAll(data: Uint8Array | string): Promise<void> {
    return this.run((socket) => socket.sendAll(data));
  }

  /** See `Socket.sendv`. */
  sendv(chunks: readonly Uint8Array[]): Promise<void> {
    return this.run((socket) => socket.sendv(chunks));
  }

  /** See `Socket.startTls`. */
  startTls(options?: StartTlsOptions): Promise<void> {
    return this.run((socket) => socket.startTls(options));
  }

  /** See `Socket.shutdown`. */
  shutdown(how?: 'send' | 'recv' | 'both'): void {
    this.#socket.shutdown(how);
  }

  /** See `Socket.close`. */
  close(): void {
    this.#socket.close();
  }

  /** See `Socket.reset`. */
  reset(): void {
    this.#socket.reset();
  }

  /** Iterates over the received chunks until end of file. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void> {
    for (;;) {
      const chunk = await this.read();
      if (chunk.length === 0) return;
      yield chunk;
    }
  }

  get localAddress(): SocketAddress {
    return this.#socket.localAddress;
  }

  get remoteAddress(): SocketAddress {
    return this.#socket.remoteAddress;
  }

  get bytesReceived(): number {
    return this.#socket.bytesReceived;
  }

  get bytesSent(): number {
    return this.#socket.bytesSent;
  }

  get closed(): boolean {
    return this.#socket.closed;
  }

  /** See `Socket.tls`. */
  get tls(): TlsInfo | undefined {
    return this.#socket.tls;
  }
}

type Rejectable = Pick<OperationPromise<unknown>, 'awaited' | 'reject'>;

/** The operations that an async function has started on its socket. */
export class AsyncOperations {
  readonly #socket: Socket;
  #tasks: Group | null = null;
  /** The first operation that has rejected and was not awaited by then. */
  #unawaited: { readonly promise: Rejectable; readonly error: unknown } | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** From now on, operations run in `tasks`. */
  begin(tasks: Group): void {
    this.#tasks = tasks;
  }

  run<T>(operation: (socket: Socket) => Operation<T>): Promise<T> {
    const promise = new OperationPromise<T>();
    const tasks = this.#tasks;
    if (tasks === null) promise.reject(this.#endedError());
    else tasks.spawn(() => this.#settle(promise, operation), { name: 'async operation' });
    return promise;
  }

  /** Cancels the operations in progress. */
  end(): void {
    const tasks = this.#tasks;
    this.#tasks = null;
    tasks?.cancel();
  }

  /** The error of an operation that has rejected and that the function has not awaited. */
  get lost(): { readonly error: unknown } | null {
    return this.#unawaited?.promise.awaited === false ? this.#unawaited : null;
  }

  *#settle<T>(
    promise: OperationPromise<T>,
    operation: (socket: Socket) => Operation<T>,
  ): Generator<Wait, void> {
    try {
      promise.resolve(yield* operationOf(() => operation(this.#socket)));
    } catch (error) {
      if (!isCancelled(error)) return this.#reject(promise, error);
      const hasEnded = this.#tasks === null;
      this.#reject(promise, hasEnded ? notAwaited(this.#socket) : new AbortError(error.reason));
      throw error;
    }
  }

  #reject(promise: Rejectable, error: unknown): void {
    promise.reject(error);
    if (this.lost === null) this.#unawaited = { promise, error };
  }

  #endedError(): ClosedError {
    const { name } = this.#socket;
    return new ClosedError('ERR_CLOSED', `The handler of the connection with ${name} has ended`);
  }
}

function notAwaited({ name }: Socket): UsageError {
  return new UsageError(
    'ERR_NOT_AWAITED',
    `The async handler of the connection with ${name} has ended during an operation.\n` +
      '  wrong:  socket.sendAll(data)\n' +
      '  right:  await socket.sendAll(data)',
  );
}

/**
 * A promise that records whether it is awaited. Its rejection is never an unhandled one, which
 * would end the process: the handler reports it.
 */
class OperationPromise<T> extends Promise<T> {
  awaited = false;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;

  /** Promises that are derived from one are plain promises. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor() {
    let settle: Pick<OperationPromise<T>, 'resolve' | 'reject'> | undefined;
    super((resolve, reject) => {
      settle = { resolve, reject };
    });
    this.resolve = settle?.resolve as (value: T) => void;
    this.reject = settle?.reject as (error: unknown) => void;
    super.then(undefined, () => undefined);
  }

  override then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.awaited = true;
    return super.then(onValue, onError);
  }
}
