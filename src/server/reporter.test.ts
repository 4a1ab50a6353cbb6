import { describe, expect, it } from 'vitest';
import type { Scheduler } from '../kernel/scheduler.ts';
import { SocketAddress } from '../net/address.ts';
import type { Platform } from '../world/platform.ts';
import type { ServerOptions } from './options.ts';
import { Reporter } from './reporter.ts';

const peer = new SocketAddress({ host: '192.0.2.7', port: 4711, family: 4 });

/** A teller with a clock that the test sets, and what it has said. */
function makeTeller(options: ServerOptions = {}) {
  const lines: string[] = [];
  const clock = { time: 0, now: () => clock.time, unhandled: () => {} };
  const platform = { report: (line: string) => lines.push(line) };
  const at = new SocketAddress({ host: '127.0.0.1', port: 80, family: 4 });
  const scheduler = clock as unknown as Scheduler;
  const teller = new Reporter(at, options, scheduler, platform as unknown as Platform);
  return { teller, clock, lines };
}

describe('failures of handlers', () => {
  it('are a line each, with the peer and the reason', () => {
    const { teller, lines } = makeTeller();
    teller.failed('no such user', peer);
    expect(lines).toEqual(['coronet: the handler of 192.0.2.7:4711 failed: no such user']);
  });

  it('say where in the program an error comes from', () => {
    const { teller, lines } = makeTeller();
    teller.failed(new TypeError('no such user'), peer);
    expect(lines[0]).toMatch(
      /failed: TypeError: no such user \(at .*reporter\.test\.ts:\d+:\d+\)*$/,
    );
  });

  it('stay a line, whatever a peer has had to say in them', () => {
    const { teller, lines } = makeTeller();
    teller.failed(
      new Error('bad name \r\u001b[2J\ncoronet: all is well\n    at ease (x:1:1)'),
      peer,
    );
    teller.failed('\u0085\n', peer);
    expect(lines.length).toBe(2);
    for (const line of lines) expect(line).toMatch(/^coronet: the handler of \P{Cc}+$/u);
    expect(lines[0]).not.toContain('all is well');
  });

  it('of which there are very many are told now and then, with the number of the others', () => {
    const { teller, clock, lines } = makeTeller();
    for (clock.time = 0; clock.time < 10_000; clock.time += 10) teller.failed('again', peer);
    expect(lines.length).toBe(109);
    expect(lines.at(-1)).toMatch(/failed \(and 99 other failures were not reported\): again$/);
    clock.time += 200_000;
    lines.length = 0;
    for (let i = 0; i < 200; i++) teller.failed('once more', peer);
    expect(lines.length).toBe(100);
    expect(lines[1]).toMatch(/failed: once more$/);
  });

  it('may be of whatever can be thrown', () => {
    const { teller, lines } = makeTeller();
    const stack = () => {
      throw new Error('no stack either');
    };
    teller.failed(Object.create(null), peer);
    teller.failed(Object.defineProperty(new Error('x'), 'stack', { get: stack }), peer);
    expect(lines[0]).toMatch(/failed: a value that cannot be shown$/);
    expect(lines[1]).toMatch(/failed: Error: x$/);
  });

  it('are all given to onError', () => {
    let count = 0;
    const { teller, lines } = makeTeller({ onError: () => count++ });
    for (let i = 0; i < 1000; i++) teller.failed('again', peer);
    expect([count, lines]).toEqual([1000, []]);
  });
});
