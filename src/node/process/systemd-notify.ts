/**
 * Messages to the service manager that NOTIFY_SOCKET names, after sd_notify(3): datagrams of lines
 * to a Unix socket. Node has no such sockets, so the addon sends them; without it the program
 * `systemd-notify` does, if it is there.
 */
import { spawn } from 'node:child_process';
import { getSystemErrorName } from 'node:util';
import { loadAddon } from '../addon.ts';
import { addressArguments } from '../endpoint.ts';

/** What has gone wrong was told: it goes wrong again with the next message. */
let warned = false;

/** Where the manager listens; `undefined`: not looked at yet. */
let managerSocket: string | undefined;

/** Notes where the manager listens, and takes the variable away: children are not the service. */
export function takeNotifySocket(): string {
  const named = process.env['NOTIFY_SOCKET'];
  delete process.env['NOTIFY_SOCKET'];
  managerSocket = named ?? managerSocket ?? '';
  return managerSocket;
}

/** Sends `lines` to the manager; nothing without one. Never throws: the program goes on alone. */
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
 * The manager accepts what comes from a child of ours where the unit says NotifyAccess=all; the
 * command names us as the sender, which a manager takes from a privileged one.
 */
function notifyByCommand(lines: string, manager: string): void {
  const args = [`--pid=${process.pid}`, ...lines.split('\n').filter((line) => line !== '')];
  const env = { ...process.env, NOTIFY_SOCKET: manager };
  const child = spawn('systemd-notify', args, { env, stdio: 'ignore' });
  child.on('error', ({ code }: NodeJS.ErrnoException) => {
    const why =
      code === 'ENOENT' ? 'no systemd-notify to do it instead' : `${code} for systemd-notify`;
    warnOnce(`there is no addon here, and ${why}`);
  });
  child.on('exit', (code) => {
    if (code !== 0) warnOnce(`systemd-notify ended with ${code}`);
  });
  child.unref();
}

function warnOnce(why: string): void {
  if (warned) return;
  warned = true;
  process.emitWarning(`The service manager cannot be told how the program is: ${why}`, {
    code: 'CORONET_NOTIFY',
  });
}
