// Compiles the programs of a benchmark into bench/build/ (ignored by git) when it runs.

import { spawnSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

/** The header files of the C programs. */
const HEADERS = ['client.h', 'servers/control.h', 'transport.h'];

const modified = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** { path } of the program, or { missing } with the reason. */
function build(source, output, command, env) {
  const from = path(source);
  const to = path(`build/${output}`);
  const sources = [from, ...HEADERS.map(path)];
  if (modified(to) > Math.max(...sources.map(modified))) return { path: to };
  mkdirSync(path('build'), { recursive: true });
  const [program, ...args] = command(to, from);
  const { error, status, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (error) return { missing: `${program} is not installed` };
  if (status !== 0) return { missing: `${source}: ${stderr.trim().split('\n')[0]}` };
  return { path: to };
}

/** With `tls` the program is compiled for OpenSSL, whose headers Debian's libssl-dev installs. */
export function buildC(source, output, { tls = false } = {}) {
  const [flags, libraries] = tls ? [['-DTLS'], ['-lssl', '-lcrypto']] : [[], []];
  return build(source, tls ? `${output}-tls` : output, (to, from) => [
    'cc',
    ...['-O2', '-Wall', '-Wextra', ...flags, '-o', to, from],
    ...libraries,
  ]);
}

export function buildGo(source, output) {
  const command = (to, from) => ['go', 'build', '-o', to, from];
  return build(source, output, command, { CGO_ENABLED: '0', GO111MODULE: 'off' });
}

/** { path } of a folder with a self-signed P-256 certificate and its key, or { missing }. */
export function buildIdentity() {
  const folder = path('build/tls');
  const week = 7 * 24 * 3600 * 1000;
  if (modified(`${folder}/cert.pem`) > Date.now() - week) return { path: folder };
  mkdirSync(folder, { recursive: true });
  const { error, status, stderr } = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-subj', '/CN=localhost', '-days', '30'],
      ...['-keyout', `${folder}/key.pem`, '-out', `${folder}/cert.pem`],
    ],
    { encoding: 'utf8' },
  );
  if (error) return { missing: 'openssl is not installed' };
  if (status !== 0) return { missing: `openssl: ${stderr.trim().split('\n')[0]}` };
  return { path: folder };
}
