/** What the commands that serve have in common: where to listen, and what goes wrong there. */
import type { Operation, Wait } from '../kernel/operation.ts';
import { formatAddress } from '../net/address.ts';
import type { BackendChoice } from '../node/backend.ts';
import { decideBackend } from '../node/backend.ts';
import { stdout } from '../node/process/line-output.ts';
import { CommandError, CommandUsageError } from './errors.ts';

/** The backend that `--backend` names; without it CORONET_BACKEND may name one. */
export function readBackend(name: string | boolean | undefined): BackendChoice | undefined {
  if (name === undefined) return checkBackend(undefined);
  if (name === 'auto' || name === 'epoll' || name === 'portable') return checkBackend(name);
  throw new CommandUsageError(`Expected --backend to be auto, epoll or portable, got '${name}'.`);
}

/** A backend that is not to be had here is a mistake of the call. */
function checkBackend<T extends BackendChoice | undefined>(choice: T): T {
  try {
    decideBackend(choice);
    return choice;
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

/** How a command was called, for the advice that it gives. */
export interface CommandCall {
  /** 'coronet echo' */
  readonly command: string;
  readonly host: string;
  readonly port: number;
}

/** Errors of listening, told with the way out. */
export function* withListenAdvice(op: Operation<void>, called: CommandCall): Generator<Wait, void> {
  try {
    yield* op;
  } catch (error) {
    throw adviceFor((error as { code?: unknown } | null | undefined)?.code, called) ?? error;
  }
}

function adviceFor(code: unknown, { command, host, port }: CommandCall): CommandError | undefined {
  const at = formatAddress({ host, port });
  switch (code) {
    case 'EADDRINUSE':
      return new CommandError(
        `coronet: ${at} is in use by another program. ` +
          `Take another port: ${command} --port ${port < 65535 ? port + 1 : 0}`,
      );
    case 'EACCES':
      return new CommandError(
        `coronet: this user may not listen on ${at}. ` +
          `Take a port above 1023: ${command} --port 25000`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new CommandError(
        `coronet: ${host} is no address of this machine. Try --host 127.0.0.1`,
      );
  }
  return undefined;
}

export function printLine(line: string): void {
  stdout.write(line);
}
