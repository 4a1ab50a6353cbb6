/**
 * The deployment files of examples/gateway agree with gateway.ts: variables, ports, probes, grace
 * periods. They do not run in tests, and there is no YAML parser: values are found by patterns.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ROOT } from './examples-build.ts';

const GATEWAY = join(ROOT, 'examples/gateway');
const read = (name: string): string => readFileSync(join(GATEWAY, name), 'utf8');

const program = read('gateway.ts');
const compose = read('compose.yaml');
const kubernetes = read('kubernetes.yaml');
const dockerfile = read('Dockerfile');

/** The first groups of all matches, sorted. At least one. */
function all(text: string, pattern: RegExp): string[] {
  const found = [...text.matchAll(pattern)].map((match) => match[1] as string).sort();
  expect(found, String(pattern)).not.toEqual([]);
  return found;
}

const [variables = ''] = all(program, /const \{ (.*) \} = process\.env/g);
const portOf = (variable: string): string =>
  all(variables, new RegExp(`${variable} = '(?:[\\d.]+:)?(\\d+)'`, 'g')).join();
const ports = ['WS_PORT', 'LINE_PORT', 'HEALTH'].map(portOf).sort();

it('the deployment files set variables that gateway.ts reads', () => {
  const known = all(variables, /(\w+)(?: =|$)/g);
  const [environment = ''] = all(compose, /environment: \{ (.*) \}/g);
  expect(known).toEqual(expect.arrayContaining(all(environment, /(\w+): "/g)));
  expect(known).toEqual(expect.arrayContaining(all(kubernetes, /name: (\w+), value:/g)));
});

it('the deployment files publish the ports of gateway.ts', () => {
  expect(all(dockerfile, /(?<=^EXPOSE .*)(\d+)/gm)).toEqual(ports);
  expect(all(kubernetes, /containerPort: (\d+)/g)).toEqual(ports);
  for (const text of [compose, kubernetes]) {
    const [probes = ''] = all(text, /HEALTH[,:] (?:value: )?"0\.0\.0\.0:(\d+)"/g);
    expect(probes).toBe(portOf('HEALTH'));
  }
  const clients = [portOf('WS_PORT'), portOf('LINE_PORT')].sort();
  expect(all(compose, /"\d+:(\d+)"/g)).toEqual([...clients, ...clients].sort());
  expect(all(kubernetes, / port: (\d+)/g)).toEqual(clients);
  const names = all(kubernetes, /name: (\w+), containerPort/g);
  expect(names).toEqual(expect.arrayContaining(all(kubernetes, /targetPort: (\w+)/g)));
  expect(names).toEqual(expect.arrayContaining(all(kubernetes, /port: ([a-z]+)/g)));
});

it('the probes request what health answers', () => {
  const health = readFileSync(join(ROOT, 'src/server/health/health.ts'), 'utf8');
  for (const path of all(kubernetes, /httpGet: \{ path: (\S+),/g)) {
    expect(health).toContain(`case '${path}':`);
  }
});

it('the containers are killed after the grace period of gateway.ts, not before', () => {
  const [graceMs = ''] = all(program, /graceMs: ([\d_]+)/g);
  const limits = [
    ...all(compose, /stop_grace_period: (\d+)s/g),
    ...all(kubernetes, /terminationGracePeriodSeconds: (\d+)/g),
  ];
  for (const seconds of limits) {
    expect(Number(seconds) * 1000).toBeGreaterThan(Number(graceMs.replaceAll('_', '')));
  }
});

it('the services of compose.yaml use images, and addresses of its own services', () => {
  const services = all(compose, /^ {2}(\w+):/gm);
  const addresses = [
    ...all(compose, /NATS: "(\w+):4222"/g),
    ...all(compose, /depends_on: \[(\w+)/g),
  ];
  for (const name of addresses) expect(services).toContain(name);
  expect(all(compose, /image: (\S+)/g)).toEqual(['nats:2']);
  expect(all(dockerfile, /^FROM (\S+)/gm)).toEqual(['node:24-slim']);
  // nats-server has no options for limits, only a configuration file.
  expect(compose).not.toContain('command:');
});
