import { test } from 'vitest';
import * as k from '../../src/index.ts';
import { play, VirtualHost } from './virtual-host.ts';
import { checkpoint } from '../../src/kernel/waits.ts';

function tryit(name: string, f: () => unknown) {
  test(name, () => {
  const t = performance.now();
  let r: unknown;
  try { r = f(); } catch (e) { r = e; }
  const text = r instanceof Error ? `${r.name} ${(r as any).code}: ${r.message} ${(r as any).errors?.map(String) ?? ''}\n${r.stack?.split('\n').slice(1,4).join('\n')}` : String(r);
  console.log(`## ${name}: ${text.slice(0, 500)} [${(performance.now() - t).toFixed(0)} ms]`);
  });
}

tryit('20 timeouts over 2 s', () => play(function* () {
  for (let i = 0; i < 20; i++) yield* k.moveOnAfter(100, k.sleepForever());
  return 'ok';
}));
tryit('1100 timeouts of 0.1ms', () => play(function* () {
  for (let i = 0; i < 1100; i++) yield* k.moveOnAfter(0.1, k.sleepForever());
  return 'ok';
}));
tryit('null-proto throw', () => play(function* () {
  yield* k.group(function* (g) { g.spawn(function* () { throw Object.create(null); }); });
}));
tryit('cyclic array', () => play(function* () {
  const a: any[] = []; a.push(a);
  try { yield a as any; } catch (e) { return e; }
}));
tryit('readiness getter throws', () => play(function* () {
  try { yield ['recv', { get readiness(): any { throw new Error('closed'); } }]; } catch (e) { return e; }
}));
tryit('hook taskWaits throws', () => play(function* () { yield; return 1; }, { hooks: { taskWaits() { throw new Error('hook'); } } }));
tryit('hook batchBegins throws', () => play(function* () { yield; return 1; }, { hooks: { batchBegins() { throw new Error('hook'); } } }));
for (const n of [5000, 10000, 20000]) {
  tryit(`chain ${n}`, () => {
    let max = 0;
    return play(function* () {
      function* nest(i: number): k.Operation<any> {
        if (i === 0) { yield* k.sleepForever(); return; }
        yield* k.group(function* (g) { g.spawn(() => nest(i - 1)); yield* k.sleepForever(); });
      }
      yield* k.scope(function* (s) {
        yield* k.group(function* (g) {
          g.spawn(() => nest(n));
          for (let i = 0; i < n + 10; i++) yield;
          const t = performance.now();
          s.cancel();
          g.spawn(function*(){ try { yield* k.sleepForever(); } finally { max = performance.now() - t; } });
          yield* k.sleepForever();
        });
      });
      return max;
    });
  });
}
tryit('100k flat cancel', () => play(function* () {
  yield* k.scope(function* (s) {
    yield* k.group(function* (g) {
      for (let i = 0; i < 100000; i++) g.spawn(k.sleepForever);
      yield;
      s.cancel();
    });
  });
  return 'ok';
}));
tryit('200k deadlock', () => play(function* () {
    yield* k.group(function* (g) {
      for (let i = 0; i < 200000; i++) g.spawn(() => k.sleepForever());
    });
}));
for (const n of [5000, 10000, 20000]) tryit(`daemons ${n}`, () => play(function* () {
    yield* k.group(function* (g) {
      for (let i = 0; i < n; i++) g.spawn(() => k.sleepForever(), { daemon: true });
      yield;
    });
    return 'ok';
}));
tryit('abandoned with children', () => {
  const log: string[] = [];
  const host = new VirtualHost({ maxTurns: 100000 });
  try {
  host.play(function* () {
    try {
    yield* k.group(function* (g) {
      g.spawn(function* () {
        yield* k.group(function* (h) {
          h.spawn(function* () { try { yield* k.sleepForever(); } finally { log.push('child ended'); } });
          yield;
          yield* k.scope(function* (s) {
            s.cancel();
            try { for (;;) { try { yield* k.sleep(1); } catch {} } } finally { yield* k.sleep(1); }
          });
        });
      }, { name: 'bad' });
    });
    } catch (e) { log.push('group left: ' + e); }
  });
  } catch (e) { log.push(String(e)); }
  return log.join(' | ');
});
tryit('forced end with children in shield', () => {
  const log: string[] = [];
  play(function* () {
    try {
    yield* k.group(function* (g) {
      g.spawn(function* () {
        yield* k.group(function* (h) {
          h.spawn(function* () { try { yield* k.sleepForever(); } finally { yield* k.shield(k.sleep(50)); log.push('child ended'); } });
          for (;;) { try { yield* k.sleep(1); } catch {} }
        });
      }, { name: 'bad' });
      yield; yield;
      g.cancel();
    });
    } catch (e) { log.push('group left: ' + e); }
  });
  return log.join(' | ');
});
tryit('finally throws at forced end', () => play(function* () {
    yield* k.group(function* (g) {
      g.spawn(function* () {
          try { for (;;) { try { yield* k.sleep(1); } catch {} } } finally { throw new Error('cleanup'); }
      }, { name: 'bad' });
      yield; yield;
      g.cancel();
    });
}));
tryit('busy in cancelled', () => play(function* () {
  void checkpoint;
}));
