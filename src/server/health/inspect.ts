/**
 * The live page of `health`: `/` is the page, `/tasks` the snapshot that it shows.
 *
 * A snapshot reveals names, addresses and source files of the program, so other machines and pages
 * of other origins must not read it:
 *  1. `health` listens on a loopback address, unless `remote` is set.
 *  2. The Host header is an IP address, localhost or a name in `hosts`. A name of an attacker that
 *     resolves to this machine (DNS rebinding) is none of them.
 *  3. No response permits another origin to read it, and browsers that name the origin of a request
 *     (Sec-Fetch-Site) get none for another one.
 */

import { pageHtml, pagePolicy } from '../../inspect/page/page.ts';
import { inspectSnapshot } from '../../inspect/snapshot.ts';
import { now, runningTask } from '../../kernel/current.ts';
import { UsageError } from '../../kernel/errors.ts';
import type { Wait } from '../../kernel/operation.ts';
import type { Group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import type { Address, SocketAddress } from '../../net/address.ts';
import { formatAddress, ipBytes, ipFamily, parseAddress } from '../../net/address.ts';
import { currentWorld } from '../../net/current-world.ts';
import { valuesOf } from '../../net/http/head.ts';
import type { Keys } from '../../support/checks.ts';
import { checkKeys, checkOptionalBoolean, wrongType } from '../../support/checks.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import type { NamedSource } from './metrics.ts';
import { refreshAll } from './metrics.ts';

/** Options of the live page of `health`. */
export interface InspectOptions {
  /** Allow an address that is not a loopback address. Default false. */
  readonly remote?: boolean;
  /**
   * Names under which browsers reach the page, in addition to localhost and IP addresses:
   * ['ops.internal']. Requests for any other name are rejected with 403.
   */
  readonly hosts?: readonly string[];
}

const INSPECT_KEYS: Keys<InspectOptions> = { remote: true, hosts: true };

/** A snapshot answers the requests within this time, and within 10 times as long as it took. */
const MIN_AGE_MS = 200;
const AGE_PER_COST = 10;
/** How often the lag of the event loop is measured, and for how long after a request. */
const LAG_INTERVAL_MS = 50;
const LAG_WATCH_MS = 5000;
/** The most servers in a snapshot. */
const MAX_SERVERS = 64;
/** The most ids in `?expand=`. */
const MAX_EXPANDED = 50;

const PROTECTION = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
} as const;

/** A browser that shows the data itself needs nothing for it. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Checks the option `inspect`. Returns `undefined` if there is no page. */
export function checkInspect(
  inspect: boolean | InspectOptions | undefined,
): InspectOptions | undefined {
  if (inspect === undefined || inspect === false) return undefined;
  if (inspect === true) return {};
  if (typeof inspect !== 'object' || inspect === null) {
    throw wrongType('options.inspect', 'a boolean or an object', inspect);
  }
  checkKeys('options.inspect', inspect, INSPECT_KEYS);
  const { remote, hosts } = inspect;
  checkOptionalBoolean('options.inspect.remote', remote);
  const isList = hosts === undefined || (Array.isArray(hosts) && hosts.every(isName));
  if (!isList) throw wrongType('options.inspect.hosts', 'an array of names', hosts);
  return inspect;
}

function isName(host: unknown): boolean {
  return typeof host === 'string' && /^[^\s:/]+$/.test(host);
}

/** Rejects an address from which other machines could read the page. Names are checked later. */
export function checkInspectAddress(address: Address, { remote }: InspectOptions): void {
  if (remote === true || (typeof address === 'object' && 'fd' in address)) return;
  const parsed = parseAddress(address);
  if (parsed.path !== undefined) return;
  const ip = parsed.host === '' ? '::' : parsed.host;
  if (ipFamily(ip) !== 0) checkLoopback(ip, formatAddress(parsed));
}

/** The same for the address at which `health` listens. */
export function checkInspectListener(address: SocketAddress, { remote }: InspectOptions): void {
  if (remote !== true && address.family !== 'unix') checkLoopback(address.host, String(address));
}

function checkLoopback(ip: string, address: string): void {
  if (isLoopback(ip)) return;
  throw new UsageError(
    'ERR_INSPECT_REMOTE',
    `Expected a loopback address for \`inspect\`, got ${address}: any machine that reaches it ` +
      'could read the tasks of this program.\n' +
      "  right:  health('127.0.0.1:9090', { inspect: true })\n" +
      "  right:  health('0.0.0.0:9090', { inspect: { remote: true } })  // in a closed network",
  );
}

/** 127.0.0.0/8, ::1 and the IPv4 addresses among the IPv6 addresses. */
function isLoopback(ip: string): boolean {
  const bytes = ipBytes(ip.replace(/%.*$/, ''));
  if (bytes.length === 4) return bytes[0] === 127;
  const isMapped = bytes.subarray(0, 12).every((byte, at) => byte === (at < 10 ? 0 : 255));
  if (isMapped) return bytes[12] === 127;
  return bytes.every((byte, at) => byte === (at === 15 ? 1 : 0));
}

/** Answers the requests of the page. */
export class Inspector {
  readonly #hosts: ReadonlySet<string>;
  readonly #lag: LagMeter;
  /** The last snapshot: what was requested, and until when it answers requests. */
  #last = { query: '', until: -Infinity, body: new Uint8Array() };

  constructor({ hosts = [] }: InspectOptions, tasks: Group) {
    this.#hosts = new Set(hosts.map((host) => host.toLowerCase()));
    this.#lag = new LagMeter(tasks);
  }

  /** `sources` are the servers that the snapshot shows. */
  *respond(
    request: HttpRequest,
    sources: () => readonly NamedSource[],
  ): Generator<Wait, HttpResponse> {
    const fault = this.#faultOf(request);
    if (fault !== undefined) return { status: 403, body: `${fault}\n`, headers: PROTECTION };
    if (request.target === '/') return pageResponse();
    yield* refreshAll(sources());
    return yield* this.#tasksResponse(request, sources);
  }

  #faultOf({ target, fields }: HttpRequest): string | undefined {
    const [host] = valuesOf(fields, 'host');
    if (host === undefined) return 'Expected a Host header';
    if (!this.#isOwnName(host)) {
      return `${host} is not a name of this server: add it to the option inspect.hosts`;
    }
    const [site = 'none'] = valuesOf(fields, 'sec-fetch-site');
    const isLink = target === '/' && valuesOf(fields, 'sec-fetch-mode')[0] === 'navigate';
    if (site === 'none' || site === 'same-origin' || isLink) return undefined;
    return 'Pages of other origins cannot read this';
  }

  #isOwnName(hostAndPort: string): boolean {
    const host = hostAndPort.replace(/:\d*$/, '').toLowerCase();
    const isLocal = /^(?:[^.]+\.)*localhost\.?$/.test(host);
    return isLocal || ipFamily(host.replace(/^\[(.*)\]$/, '$1')) !== 0 || this.#hosts.has(host);
  }

  *#tasksResponse(
    { query }: HttpRequest,
    sources: () => readonly NamedSource[],
  ): Generator<Wait, HttpResponse> {
    while (query !== this.#last.query && now() < this.#last.until) {
      yield* sleep(this.#last.until - now());
    }
    const startedAt = now();
    if (startedAt >= this.#last.until) {
      const body = Buffer.from(this.#snapshot(query, sources()));
      const ageMs = Math.max(MIN_AGE_MS, (now() - startedAt) * AGE_PER_COST);
      this.#last = { query, until: startedAt + ageMs, body };
    }
    const headers = { ...PROTECTION, 'Content-Security-Policy': DATA_POLICY };
    return { status: 200, type: 'application/json', headers, body: this.#last.body };
  }

  #snapshot(query: string, sources: readonly NamedSource[]): string {
    const ids = new URLSearchParams(query).get('expand') ?? '';
    const expand = ids.split(',', MAX_EXPANDED).map(Number).filter(Number.isSafeInteger);
    const servers = sources.slice(0, MAX_SERVERS).map(([name, source]) => {
      return { name, ...source.stats() };
    });
    const { scheduler } = runningTask();
    const snapshot = inspectSnapshot({ scheduler, expand, lagMs: this.#lag.take() });
    return `${JSON.stringify({ ...snapshot, servers })}\n`;
  }
}

function pageResponse(): HttpResponse {
  const nonce = Buffer.from(currentWorld().platform.randomBytes(16)).toString('base64');
  const headers = { ...PROTECTION, 'Content-Security-Policy': pagePolicy(nonce) };
  return { status: 200, type: 'text/html; charset=utf-8', headers, body: pageHtml(nonce) };
}

/** Measures how late timers fire, while the page is open. */
class LagMeter {
  readonly #tasks: Group;
  #maxMs = 0;
  #until = -Infinity;
  #isRunning = false;

  constructor(tasks: Group) {
    this.#tasks = tasks;
  }

  /** The largest lag since the last call. */
  take(): number {
    this.#until = now() + LAG_WATCH_MS;
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.#tasks.spawn(() => this.#measure(), { name: 'lag meter', daemon: true });
    }
    const maxMs = this.#maxMs;
    this.#maxMs = 0;
    return maxMs;
  }

  *#measure(): Generator<Wait, void> {
    while (now() < this.#until) {
      const due = now() + LAG_INTERVAL_MS;
      yield* sleep(LAG_INTERVAL_MS);
      this.#maxMs = Math.max(this.#maxMs, now() - due);
    }
    this.#isRunning = false;
  }
}
