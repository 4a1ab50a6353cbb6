/** Options by their codes: set, read back, inherited, and rejected. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  acceptedHandle,
  acceptResults,
  addon,
  check,
  checkAllClosed,
  connectedPair,
  makePoller,
} from './support.mjs';

const ENOPROTOOPT = -92;
const EOPNOTSUPP = -95;
const EINVAL = -22;
const TCP_CODES = [0, 1, 2, 3, 4, 5];
const RECEIVE_BUFFER = 6;
const SEND_BUFFER = 7;

function equal(got, expected, what) {
  check(got === expected, `${what} is ${expected}, got ${got}`);
}

const poller = makePoller();

// A connection: every option, as the system stores it.
const { near, far, listener } = await connectedPair(poller);
const values = [0, 1, 11, 3, 4, 777, 10_000, 20_000];
values.forEach((value, code) => {
  equal(addon.setOption(near, code, value), 0, `setOption ${code}`);
  const kept = code >= RECEIVE_BUFFER ? 2 * value : value;
  equal(addon.getOption(near, code), kept, `option ${code}`);
});
equal(addon.getOption(far, 0), 1, 'TCP_NODELAY of an accepted connection');
for (const code of [-1, 8, 2 ** 31 - 1, -(2 ** 31)]) {
  equal(addon.getOption(near, code), ENOPROTOOPT, 'an unknown code to read');
  equal(addon.setOption(near, code, 1), ENOPROTOOPT, 'an unknown code to set');
}
equal(addon.setOption(near, 2, 40_000), EINVAL, 'a value that the system rejects');
for (const handle of [near, far, listener]) addon.close(handle, 1);

// Buffer sizes: accepted sockets inherit those of the listener.
const small = addon.listen(poller.id, 4, '127.0.0.1', 0, 8, 0, -1, 8192, 16_384);
const { port } = addon.local(small);
const client = addon.connect(poller.id, 4, '127.0.0.1', port, 0, '', 0, 12_288, 4608);
const out = acceptResults(1);
while (addon.accept(small, out, 1) === 0) await new Promise((resume) => setImmediate(resume));
const accepted = acceptedHandle(out, 0);
equal(addon.getOption(accepted, RECEIVE_BUFFER), 16_384, 'the inherited receive buffer');
equal(addon.getOption(accepted, SEND_BUFFER), 32_768, 'the inherited send buffer');
equal(addon.getOption(client, RECEIVE_BUFFER), 24_576, 'the receive buffer of an attempt');
equal(addon.getOption(client, SEND_BUFFER), 9216, 'the send buffer of an attempt');
for (const handle of [small, client, out[1]]) addon.close(handle, 1);

// A Unix socket: the mode of its file. It has no TCP options.
const folder = mkdtempSync(join(tmpdir(), 'coronet-native-'));
const path = join(folder, 'a.sock');
const local = addon.listen(poller.id, 1, path, 0, 8, 0, 0o640, 0, 0);
equal(statSync(path).mode & 0o777, 0o640, 'the mode of the file');
const peer = addon.connect(poller.id, 1, path, 0, 0, '', 0, 0, 0);
for (const code of TCP_CODES) {
  equal(addon.getOption(peer, code), EOPNOTSUPP, `option ${code} of a Unix socket`);
  equal(addon.setOption(peer, code, 1), EOPNOTSUPP, `setting ${code} of a Unix socket`);
}
equal(addon.setOption(peer, SEND_BUFFER, 8192), 0, 'the send buffer of a Unix socket');
equal(addon.getOption(peer, SEND_BUFFER), 16_384, 'what was set');
for (const handle of [local, peer]) addon.close(handle, 0);
rmSync(path);

// A mode without a file: no socket is left bound.
equal(addon.listen(poller.id, 1, '\0coronet-native', 0, 8, 0, 0o600, 0, 0), EINVAL, 'abstract');
equal(addon.listen(poller.id, 4, '127.0.0.1', 0, 8, 0, 0o600, 0, 0), EINVAL, 'a mode for TCP');
equal(readdirSync(folder).length, 0, 'the number of files left');
rmSync(folder, { recursive: true });

equal(addon.destroyPoller(poller.id), 0, 'the end of the poller');
await checkAllClosed();
