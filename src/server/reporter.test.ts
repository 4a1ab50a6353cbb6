/** The reports of a server on standard error. */
import { describe, expect, it } from 'vitest';
import type { Scheduler } from '../kernel/scheduler.ts';
import { SocketAddress } from '../net/address.ts';
import type { Platform } from '../world/platform.ts';
import type { ServerOptions } from './options.ts';
import { Reporter } from './reporter.ts';

const peer = new SocketAddress({ host: '192.0.2.7', port: 4711, family: 4 });

/** A reporter, the clock that the test sets, and the lines that were reported. */
function makeReporter(options: ServerOptions = {}) {
  const lines: string[] = [];
  const clock = { time: 0, now: () => clock.time, unhandled: () => {} };
  const platform = { report: (line: string) => lines.push(line) };
  const at = new SocketAddress({ host: '127.0.0.1', port: 80, family: 4 });
  const scheduler = clock as unknown as Scheduler;
  const reporter = new Reporter(at, options, scheduler, platform as unknown as Platform);
  return { reporter, clock, lines };
}

describe('a failure of a handler', () => {
  it('is reported as a line with the peer and the reason', () => {
    const { reporter, lines } = makeReporter();
    reporter.failed('no such user', peer);
    expect(lines).toEqual(['coronet: the handler of 192.0.2.7:4711 failed: no such user']);
  });

  it('is reported with the line of the program that threw it', () => {
    const { reporter, lines } = makeReporter();
    reporter.failed(new TypeError('no such user'), peer);
    expect(lines[0]).toMatch(
      /failed: TypeError: no such user \(at .*reporter\.test\.ts:\d+:\d+\)*$/,
    );
  });

  it('is reported with the line once if the message already contains it', () => {
    const { reporter, lines } = makeReporter();
    const error = new TypeError();
    const [, where = ''] = /at (.*reporter\.test\.ts:\d+:\d+\)?)/.exec(error.stack ?? '') ?? [];
    error.message = `a \`yield*\` is missing at ${where}`;
    reporter.failed(error, peer);
    expect(lines[0]?.split(where).length).toBe(2);
  });

  it('is reported as one line, whatever a peer has put into the message', () => {
    const { reporter, lines } = makeReporter();
    reporter.failed(
      new Error('bad name \r\u001b[2J\ncoronet: all is well\n    at ease (x:1:1)'),
      peer,
    );
    reporter.failed('\u0085\n', peer);
    expect(lines.length).toBe(2);
    for (const line of lines) expect(line).toMatch(/^coronet: the handler of \P{Cc}+$/u);
    expect(lines[0]).not.toContain('all is well');
  });

  it('is reported once a second if there are many, with the number of the others', () => {
    const { reporter, clock, lines } = makeReporter();
    for (clock.time = 0; clock.time < 10_000; clock.time += 10) reporter.failed('again', peer);
    expect(lines.length).toBe(109);
    expect(lines.at(-1)).toMatch(/failed \(and 99 other failures were not reported\): again$/);
    clock.time += 200_000;
    lines.length = 0;
    for (let i = 0; i < 200; i++) reporter.failed('once more', peer);
    expect(lines.length).toBe(100);
    expect(lines[1]).toMatch(/failed: once more$/);
  });

  it('is reported whatever value was thrown', () => {
    const { reporter, lines } = makeReporter();
    const stack = () => {
      throw new Error('no stack');
    };
    reporter.failed(Object.create(null), peer);
    reporter.failed(Object.defineProperty(new Error('x'), 'stack', { get: stack }), peer);
    expect(lines[0]).toMatch(/failed: a value that cannot be shown$/);
    expect(lines[1]).toMatch(/failed: Error: x$/);
  });

  it('is always passed to onError', () => {
    let count = 0;
    const { reporter, lines } = makeReporter({ onError: () => count++ });
    for (let i = 0; i < 1000; i++) reporter.failed('again', peer);
    expect([count, lines]).toEqual([1000, []]);
  });
});
