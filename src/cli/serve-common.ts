/** Code shared by the commands that serve: the backend, advice for listen errors, output. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { formatAddress } from '../net/address.ts';
import type { Backend } from '../node/backend.ts';
import { decideBackend } from '../node/backend.ts';
import { stdout } from '../node/process/line-output.ts';
import { CommandError, CommandUsageError } from './errors.ts';

/** The backend that `--backend` selects, or else CORONET_BACKEND, or else the default. */
export function readBackend(name: string | boolean | undefined): Backend {
  if (name !== undefined && name !== 'auto' && name !== 'epoll' && name !== 'portable') {
    throw new CommandUsageError(`Expected --backend to be auto, epoll or portable, got '${name}'.`);
  }
  try {
    return decideBackend(name).backend;
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
    throw adviceFor((error as { code?: unknown } | null | undefined)?.code, call) ?? error;
  }
}

function adviceFor(code: unknown, { command, host, port }: CommandCall): CommandError | undefined {
  const at = formatAddress({ host, port });
  switch (code) {
    case 'EADDRINUSE':
      return new CommandError(
        `coronet: ${at} is in use by another program. ` +
          `Use another port: ${command} --port ${port < 65535 ? port + 1 : 0}`,
      );
    case 'EACCES':
      return new CommandError(
        `coronet: this user is not allowed to listen on ${at}. ` +
          `Use a port above 1023: ${command} --port 25000`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CommandError(
        `coronet: ${host} is not an address of this machine. Try --host 127.0.0.1`,
      );
  }
  return undefined;
}

export function printLine(line: string): void {
  stdout.write(line);
}
