// The server's side of the control protocol, for servers in JavaScript.
//
// The first line on stdout is `{"port":…}`; then each line on stdin has one line as its response.
// `usage` asks for the CPU time and memory of the process, `gc` for the same after a collection.
// End of file on stdin ends the process, so that no server outlives the benchmark.

import { readFileSync } from 'node:fs';
import { getHeapSpaceStatistics } from 'node:v8';

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

// cpuUsage() is getrusage(RUSAGE_SELF) in µs: all threads, including the helpers of V8.
function usage() {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { user, sys: system, rss, heapUsed, external };
}

/** Resident bytes of V8's young generation; 0 in other engines. */
function youngGeneration() {
  if (process.versions.bun) return 0;
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return space.physical_space_size;
}

const collector = () => globalThis.gc ?? (() => globalThis.Bun?.gc(true));

// Twice with a pause: the second pass frees the memory that finalizers of the first release.
function collect(then) {
  const gc = collector();
  gc();
  setTimeout(() => {
    gc();
    then();
  }, 100);
}

function handle(line) {
  if (line === 'gc') collect(() => print({ ...usage(), young: youngGeneration() }));
  else print(usage());
}

export function announce(port) {
  let rest = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) handle(line);
  });
  process.stdin.on('end', () => process.exit(0));
  process.stdin.unref?.();
  print({ port });
}

/** The key and the certificate of a TLS server, from the files of `folder`. */
export const identity = (folder) => ({
  key: readFileSync(`${folder}/key.pem`),
  cert: readFileSync(`${folder}/cert.pem`),
});
