/**
 * The runtime directory of a user: where its Coronet processes and `coronet top` find each other.
 *
 *   PID           a marker: this process is a Coronet program. It contains the time of its start.
 *   PID.request   `coronet top` asks the process to listen. Removed by the process.
 *   PID.sock      the Unix socket, from the request until it was not used for a while.
 *
 * The directory is $XDG_RUNTIME_DIR/coronet or coronet-UID in the folder for temporary files. Only
 * its owner can enter it: it is used only if it is a directory, not a link, that belongs to this
 * user with mode 0700, in a directory in which no other user could replace it. So no other user can
 * plant or read anything there, and what is in it was put there by processes of this user.
 */
import { lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The longest path of a directory, in bytes. A Unix socket in it has a path of at most 103 bytes on
 * macOS and 107 on Linux (sun_path of unix(7)), and the name "4194304.sock".
 */
const MAX_DIRECTORY_BYTES = 90;

/** The possible directories of a process of user `uid` with this environment, the first first. */
export function directoryCandidates(environment: Environment, uid: number): readonly string[] {
  const { XDG_RUNTIME_DIR: runtime, TMPDIR, TMP, TEMP } = environment;
  const temporary = join(TMPDIR || TMP || TEMP || '/tmp', `coronet-${uid}`);
  const paths =
    runtime !== undefined && isAbsolute(runtime)
      ? [join(runtime, 'coronet'), temporary]
      : [temporary];
  return paths.filter((path) => Buffer.byteLength(path) <= MAX_DIRECTORY_BYTES);
}

/** Returns the first candidate that can be used, and creates it. `undefined`: none can. */
export function openDirectory(
  environment: Environment = process.env,
  uid: number | undefined = process.geteuid?.(),
): string | undefined {
  if (uid === undefined) return undefined;
  return directoryCandidates(environment, uid).find((path) => {
    // A directory of root among the files of another user would exclude that user from it.
    if (isProtected(dirname(path), uid)) create(path);
    return isPrivate(path, uid);
  });
}

function create(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch {
    // It exists, or cannot be created: isPrivate decides.
  }
}

const GROUP_AND_OTHERS = 0o077;
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** True for a directory of user `uid` that no other user can enter or replace. */
export function isPrivate(path: string, uid: number): boolean {
  try {
    const found = lstatSync(path);
    if (!found.isDirectory() || found.uid !== uid) return false;
    return (found.mode & GROUP_AND_OTHERS) === 0 && isProtected(dirname(path), uid);
  } catch {
    return false;
  }
}

/** True for a directory in which no other user than root can replace what user `uid` creates. */
function isProtected(path: string, uid: number): boolean {
  try {
    const found = statSync(path);
    const isSafe = (found.mode & WRITABLE_BY_OTHERS) === 0 || (found.mode & STICKY) !== 0;
    return isSafe && (found.uid === uid || found.uid === 0);
  } catch {
    return false;
  }
}

/**
 * The time of the start of a process, in clock ticks since the machine started (proc_pid_stat(5),
 * field 22). With the process id it identifies a process. '' where the system has no /proc.
 */
export function startTime(pid: number | 'self'): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
