/** An error of the operating system, with the properties that Node's own errors have. */
export class SystemError extends Error {
  readonly code: string;
  /** The negative error number, as Node reports it. */
  readonly errno: number;
  readonly syscall: string;
  readonly address?: string;
  readonly port?: number;

  constructor(code: string, errno: number, syscall: string, peer?: ErrorPeer) {
    super(`${syscall} ${code}${peerText(peer)}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    const address = peer?.path ?? peer?.host;
    if (address !== undefined) this.address = address;
    if (peer?.port !== undefined) this.port = peer.port;
  }
}

/** The peer of a failed system call. `text` replaces the address in the message. */
export interface ErrorPeer {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly text?: string;
}

function peerText(peer?: ErrorPeer): string {
  if (peer === undefined) return '';
  if (peer.text !== undefined) return ` ${peer.text}`;
  if (peer.path !== undefined) return ` ${peer.path}`;
  return peer.host?.includes(':') ? ` [${peer.host}]:${peer.port}` : ` ${peer.host}:${peer.port}`;
}
