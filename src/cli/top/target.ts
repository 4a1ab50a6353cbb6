/** Finds the socket of a process, and whether it may be sent SIGUSR2. */
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { directoryCandidates, isPrivate, startTime } from '../../node/inspect/directory.ts';
import { CommandError } from '../errors.ts';

/** A process to which the command can attach, or only its socket. */
export interface Target {
  /** For messages: "process 123" or the path. */
  readonly title: string;
  readonly socket: string;
  /** Asks the process to listen at `socket`. Absent: only the path of the socket is known. */
  request?(): void;
  /** Withdraws the request. */
  withdraw?(): void;
}

/** `word` is a process id or the path of a socket. Throws CommandError. */
export function findTarget(word: string): Target {
  if (!/^\d+$/.test(word)) return socketTarget(word);
  if (!existsSync('/proc/self/stat')) {
    throw new CommandError(
      'coronet top PID needs /proc, so it works on Linux only. Elsewhere, where there are ' +
        'signals: kill -USR2 PID makes a program write its tasks to standard error.',
    );
  }
  return processTarget(Number(word));
}

function socketTarget(path: string): Target {
  if (!existsSync(path)) {
    throw new CommandError(`There is no socket '${path}'. Expected a process id or a path.`);
  }
  const { uid } = statSync(path);
  if (uid !== process.geteuid?.()) {
    throw new CommandError(`The socket '${path}' belongs to another user (${uid}).`);
  }
  return { title: path, socket: path };
}

function processTarget(pid: number): Target {
  const { uid, caught, ownId } = readStatus(pid);
  if (uid !== process.geteuid?.()) {
    throw new CommandError(
      `Process ${pid} belongs to another user (${uid}). Run coronet top as that user: ` +
        `sudo -u '#${uid}' coronet top ${pid}`,
    );
  }
  const directory = findDirectory(pid, ownId, uid);
  if (directory === undefined || (caught & SIGUSR2_BIT) === 0n) throw notCoronet(pid);
  const request = join(directory, `${ownId}.request`);
  return {
    title: `process ${pid}`,
    socket: join(directory, `${ownId}.sock`),
    request: () => {
      removeFile(request);
      writeFileSync(request, '', { mode: 0o600, flag: 'wx' });
      process.kill(pid, 'SIGUSR2');
    },
    withdraw: () => removeFile(request),
  };
}

const SIGUSR2_BIT = 1n << BigInt(constants.signals.SIGUSR2 - 1);

/** The part of /proc/PID/status (proc_pid_status(5)) that matters. */
function readStatus(pid: number) {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    throw new CommandError(`There is no process ${pid}.`);
  }
  const field = (name: string): string[] => {
    const line = new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1] ?? '';
    return line.split(/\s+/);
  };
  return {
    /** The effective user id. */
    uid: Number(field('Uid')[1]),
    /** The signals that the process has a handler for. */
    caught: BigInt(`0x${field('SigCgt')[0] || '0'}`),
    /** Its id in its own PID namespace, which it uses for its files. */
    ownId: Number(field('NSpid').at(-1) || pid),
  };
}

/**
 * The runtime directory in which the process has its marker. The process may have another root
 * directory (a container, PrivateTmp= of systemd) and other variables than this one.
 */
function findDirectory(pid: number, ownId: number, uid: number): string | undefined {
  for (const path of directoryCandidates(environmentOf(pid), uid)) {
    for (const directory of [path, `/proc/${pid}/root${path}`]) {
      if (!isPrivate(directory, uid)) continue;
      removeStale(directory);
      if (markerOf(directory, ownId) === startTime(pid)) return directory;
    }
  }
  return undefined;
}

function environmentOf(pid: number): Readonly<Record<string, string>> {
  try {
    const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s)).filter(([name]) => name));
  } catch {
    return {};
  }
}

function markerOf(directory: string, id: number): string | undefined {
  try {
    return readFileSync(join(directory, `${id}`), 'latin1').trim();
  } catch {
    return undefined;
  }
}

/** Removes the files of processes that were killed: their markers and sockets. */
function removeStale(directory: string): void {
  if (directory.startsWith('/proc/')) return; // process ids of another namespace
  for (const name of readdirSync(directory)) {
    const [pid = ''] = name.split('.');
    if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`)) removeFile(join(directory, name));
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It does not exist.
  }
}

function notCoronet(pid: number): CommandError {
  return new CommandError(
    `Process ${pid} is not a Coronet program that can be inspected, so no signal was sent to it. ` +
      'coronet top attaches to programs that run under `main`, without `inspect: false`.',
  );
}
