/**
 * Messages to the service manager of NOTIFY_SOCKET, as in sd_notify(3): datagrams of lines to a
 * Unix socket. Node does not support such sockets, so the addon sends them. Without the addon the
 * program `systemd-notify` sends them, if it is installed.
 */
import { getSystemErrorName } from 'node:util';
import { loadAddon } from '../addon.ts';
import { addressArguments } from '../endpoint.ts';
import { warn } from '../warnings.ts';

/** A warning was emitted. The next message would fail in the same way. */
let warned = false;

/** The path of the manager's socket; `undefined` if the variable has not been read. */
let managerSocket: string | undefined;

/** Reads and removes NOTIFY_SOCKET: child processes are not the service. */
export function takeNotifySocket(): string {
  const path = process.env['NOTIFY_SOCKET'];
  delete process.env['NOTIFY_SOCKET'];
  managerSocket = path ?? managerSocket ?? '';
  return managerSocket;
}

/** Sends `lines` to the manager, if there is one. Never throws: the program works without it. */
export function notifyManager(lines: string): void {
  const manager = managerSocket ?? takeNotifySocket();
  if (manager === '') return;
  const { addon } = loadAddon();
  if (addon === undefined) return notifyByCommand(lines, manager);
  const path = manager.startsWith('@') ? `\0${manager.slice(1)}` : manager;
  const result = addon.notify(...addressArguments({ path }), Buffer.from(lines));
  if (result < 0) warnOnce(`${getSystemErrorName(result)} for NOTIFY_SOCKET=${manager}`);
}

/**
 * The manager accepts messages of child processes if the unit has NotifyAccess=all. `--pid` names
 * this process as the sender, which the manager accepts from a privileged process.
 */
function notifyByCommand(lines: string, manager: string): void {
  const args = [`--pid=${process.pid}`, ...lines.split('\n').filter((line) => line !== '')];
  const env = { ...process.env, NOTIFY_SOCKET: manager };
  const { spawn } = process.getBuiltinModule('node:child_process');
  const child = spawn('systemd-notify', args, { env, stdio: 'ignore' });
  child.on('error', ({ code }: NodeJS.ErrnoException) => {
    const why =
      code === 'ENOENT' ? 'systemd-notify is not installed' : `systemd-notify failed: ${code}`;
    warnOnce(`the addon is not available, and ${why}`);
  });
  child.on('exit', (code) => {
    if (code !== 0) warnOnce(`systemd-notify exited with code ${code}`);
  });
  child.unref();
}

function warnOnce(why: string): void {
  if (warned) return;
  warned = true;
  warn(`Messages to the service manager cannot be sent: ${why}`, 'CORONET_NOTIFY');
}
