/** Code shared by the commands that serve: the backend, and advice for listen errors. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { formatAddress } from '../net/address.ts';
import type { Backend } from '../node/backend.ts';
import { decideBackend, warnOfFallback } from '../node/backend.ts';
import { CommandError } from './errors.ts';
import { wrongValue } from './options.ts';

/** The backend that `--backend` selects, or else CORONET_BACKEND, or else the default. */
export function readBackend(name: string | boolean | undefined): Backend {
  if (name !== undefined && name !== 'auto' && name !== 'epoll' && name !== 'portable') {
    throw wrongValue('backend', 'auto, epoll or portable', String(name));
  }
  try {
    const decision = decideBackend(name);
    warnOfFallback(decision);
    return decision.backend;
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

/** The invocation of a command, for the advice in its messages. */
export interface CommandCall {
  /** 'coronet echo' */
  readonly command: string;
  readonly host: string;
  readonly port: number;
}

/** Runs `op` and adds advice to errors of listen. */
export function* withListenAdvice(op: Operation<void>, call: CommandCall): Generator<Wait, void> {
  try {
    yield* op;
  } catch (error) {
    const advice = adviceFor((error as { code?: unknown } | null | undefined)?.code, call);
    throw advice === undefined ? error : new CommandError(`coronet: ${advice}`);
  }
}

function adviceFor(code: unknown, { command, host, port }: CommandCall): string | undefined {
  const at = formatAddress({ host, port });
  const otherPort = port < 65535 ? port + 1 : 0;
  switch (code) {
    case 'EADDRINUSE':
      return `${at} is in use by another program. Use another port: ${command} --port ${otherPort}`;
    case 'EACCES':
      return (
        `this user is not allowed to listen on ${at}. ` +
        `Use a port above 1023: ${command} --port 25000`
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is not an address of this machine. Try --host 127.0.0.1`;
  }
  return undefined;
}
