import { describe, expect, test } from 'vitest';
import {
  clock,
  connection,
  FakeGate,
  FakeListener,
  gated,
  HERE,
  OPEN,
} from '../../test/fake-gates.ts';
import { GatedListener } from './gated-listener.ts';

const { scheduler, timers } = clock;

function advance(ms: number): void {
  clock.advanceTo(clock.now + ms);
}

const SHORTAGE: Error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
const REFUSED: Error = Object.assign(new Error('refused'), { code: 'ERR_TIMEOUT' });

describe('a listener with a gate', () => {
  test('hands out what has come through, in the order in which it did', () => {
    const { raw, gate, listener } = gated();
    const [first, second, outer] = [connection(), connection(), connection()];
    raw.bring(first, second);
    expect(listener.tryAccept()).toBeUndefined();
    gate.at(1).passed(second);
    gate.at(0).passed(outer);
    expect([listener.canRecv, listener.tryAccept()]).toEqual([true, second]);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([outer, undefined]);
    expect(listener.stats()).toMatchObject({ completed: 2, failed: 0, underWay: 0, waiting: 0 });
  });

  test('hands out at once what comes through at once', () => {
    const raw = new FakeListener();
    const listener = new GatedListener(raw, OPEN, scheduler);
    const only = connection();
    raw.bring(only);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([only, undefined]);
  });

  test('hears of what comes after it has handed out the only one', () => {
    const raw = new FakeListener();
    const listener = new GatedListener(raw, OPEN, scheduler);
    raw.bring(connection());
    listener.tryAccept();
    expect(listener.canRecv).toBe(false);
    raw.bring(connection());
    expect(listener.canRecv).toBe(true);
  });

  test('leaves those in the queue below whom nobody has accepted', () => {
    const raw = new FakeListener();
    const listener = new GatedListener(raw, OPEN, scheduler);
    raw.bring(connection(), connection(), connection());
    listener.tryAccept();
    expect([raw.answers.length, listener.canRecv]).toEqual([2, true]);
  });

  test('takes no more than some at once where all are refused', () => {
    const { raw, gate, listener } = gated(8);
    listener.doorkeeper = { admits: () => false, dismissed: () => {} };
    raw.bring(...Array.from({ length: 100 }, connection));
    expect([listener.tryAccept(), raw.answers.length]).toEqual([undefined, 36]);
    expect(listener.canRecv).toBe(true);
    expect([listener.tryAccept(), raw.answers.length]).toEqual([undefined, 0]);
    expect([listener.canRecv, gate.passages.length]).toEqual([false, 0]);
  });

  test('throws a shortage, and goes on when it is over', () => {
    const { raw, listener } = gated();
    raw.bring(SHORTAGE, connection());
    expect(() => listener.tryAccept()).toThrow('EMFILE');
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.stats().underWay).toBe(1);
  });

  test('throws no shortage while there is somebody to hand out', () => {
    const raw = new FakeListener();
    const listener = new GatedListener(raw, OPEN, scheduler);
    const only = connection();
    raw.bring(only, SHORTAGE);
    expect(listener.tryAccept()).toBe(only);
  });

  test('waits below only while nothing is there', () => {
    const { raw, listener } = gated();
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.canRecv).toBe(false);
    expect(raw.recvWaiter).toBe(listener);
    raw.bring(connection());
    expect(listener.canRecv).toBe(true);
  });

  test('takes no more than the gate allows, and the next when one has failed', () => {
    const { raw, gate, listener } = gated(1);
    raw.bring(connection(), connection());
    expect(listener.tryAccept()).toBeUndefined();
    expect([raw.answers.length, raw.ahead, listener.canRecv]).toEqual([1, 1, false]);
    gate.at(0).failed(REFUSED);
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(raw.answers.length).toBe(0);
  });

  test('takes no more than the program has room for, but always one', () => {
    const { raw, listener } = gated(8);
    raw.bring(connection(), connection(), connection());
    listener.ahead = 2;
    listener.tryAccept();
    expect(listener.stats().underWay).toBe(2);
    listener.ahead = 0;
    expect([listener.tryAccept(), raw.answers.length]).toEqual([undefined, 1]);
    const alone = gated(8);
    alone.listener.ahead = 0;
    alone.raw.bring(connection());
    alone.listener.tryAccept();
    expect(alone.listener.stats().underWay).toBe(1);
  });

  test('takes more as soon as the program has room for more', () => {
    const { raw, listener } = gated(8);
    raw.bring(connection(), connection(), connection());
    listener.ahead = 1;
    listener.tryAccept();
    expect([listener.canRecv, raw.answers.length]).toEqual([false, 2]);
    listener.ahead = 2;
    expect(listener.canRecv).toBe(true);
    listener.tryAccept();
    expect([listener.canRecv, raw.answers.length]).toEqual([false, 1]);
  });

  test('takes more then where somebody is at the gate before it, too', () => {
    const { raw, listener: inner } = gated(8);
    const outer = new GatedListener(inner, OPEN, scheduler);
    raw.bring(connection(), connection());
    outer.ahead = 1;
    outer.tryAccept();
    expect([outer.canRecv, raw.answers.length]).toEqual([false, 1]);
    outer.ahead = 2;
    expect(outer.canRecv).toBe(true);
    outer.tryAccept();
    expect([outer.canRecv, raw.answers.length]).toEqual([false, 0]);
  });

  test('counts failures, keeps the last, and tells them in the next accept', () => {
    const { raw, gate, listener } = gated();
    const told: unknown[] = [];
    listener.onFailed = ({ error, remote }) => told.push(error, remote);
    raw.bring(connection(), connection());
    listener.tryAccept();
    gate.at(0).failed(REFUSED);
    gate.at(1).gone();
    expect(told).toEqual([]);
    listener.tryAccept();
    expect(told).toEqual([REFUSED, HERE]);
    expect(listener.stats()).toMatchObject({ failed: 1, timedOut: 1, underWay: 0 });
    expect(listener.stats().lastFailure).toMatchObject({ code: 'ERR_TIMEOUT', message: 'refused' });
  });

  test('passes over what a passage tells after its end', () => {
    const { raw, gate, listener } = gated();
    raw.bring(connection());
    listener.tryAccept();
    gate.at(0).failed(REFUSED);
    gate.at(0).passed(connection());
    gate.at(0).failed(REFUSED);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.stats()).toMatchObject({ failed: 1, completed: 0 });
  });

  test('takes another gate for connections from then on', () => {
    const { raw, gate, listener } = gated();
    listener.replaceGate(() => OPEN);
    const only = connection();
    raw.bring(only);
    expect([listener.tryAccept(), gate.passages]).toEqual([only, []]);
    listener.close();
    expect(() => listener.replaceGate(() => OPEN)).toThrow(/closed here/);
  });
});

describe('who is slow at a gate', () => {
  test('gives way while others wait below, the oldest first, and not before its time', () => {
    const { raw, gate, listener } = gated(2);
    const all = [connection(), connection(), connection(), connection()];
    raw.bring(...all.slice(0, 2));
    listener.tryAccept();
    advance(5000);
    expect(listener.stats()).toMatchObject({ underWay: 2, failed: 0 });
    raw.bring(...all.slice(2));
    expect([listener.canRecv, all[0]?.ended]).toEqual([false, undefined]);
    advance(0);
    expect([listener.canRecv, all[0]?.ended, all[1]?.ended]).toEqual([true, 'reset', undefined]);
    expect(listener.tryAccept()).toBeUndefined();
    expect([gate.passages.length, listener.stats().timedOut]).toEqual([3, 1]);
    advance(0);
    listener.tryAccept();
    expect([all[1]?.ended, listener.stats().underWay]).toEqual(['reset', 2]);
    raw.bring(connection());
    advance(1999);
    expect(all[2]?.ended).toBeUndefined();
    advance(1);
    expect([all[2]?.ended, all[3]?.ended]).toEqual(['reset', undefined]);
    listener.close();
    expect(timers.size).toBe(0);
  });

  test('has it too where nobody waits although an accept may be worth a try', () => {
    const { raw, listener } = gated(1);
    raw.tellsLate = true;
    raw.queued = 0;
    const [slow, next] = [connection(), connection()];
    raw.bring(slow);
    listener.tryAccept();
    advance(5000);
    expect([raw.canRecv, slow.ended]).toEqual([true, undefined]);
    raw.bring(next);
    raw.queued = 1;
    advance(0);
    expect([slow.ended, listener.canRecv]).toEqual(['reset', true]);
    listener.close();
  });

  test('gives way to who has come through the gate before it', () => {
    const { raw, gate, listener: inner } = gated(8);
    raw.queued = 0;
    const outer = new GatedListener(inner, new FakeGate(), scheduler);
    const [slow, next] = [connection(), connection()];
    raw.bring(slow, next);
    outer.tryAccept();
    gate.at(0).passed(slow);
    outer.tryAccept();
    outer.ahead = 1;
    advance(5000);
    expect(slow.ended).toBeUndefined();
    gate.at(1).passed(next);
    advance(0);
    expect([slow.ended, outer.canRecv]).toEqual(['reset', true]);
    outer.close();
  });

  test('has all the time of the gate while nobody waits', () => {
    const { raw, listener } = gated(1);
    const only = connection();
    raw.bring(only);
    listener.tryAccept();
    advance(1_000_000);
    expect(only.ended).toBeUndefined();
    listener.close();
  });

  test('can be given up by age', () => {
    const { raw, listener } = gated(2);
    const [old, young] = [connection(), connection()];
    raw.bring(old);
    listener.tryAccept();
    advance(600);
    raw.bring(young);
    listener.tryAccept();
    advance(500);
    listener.giveUpAfter(1000);
    expect([old.ended, young.ended, listener.busy]).toEqual(['reset', undefined, true]);
    listener.close();
  });
});

describe('a doorkeeper', () => {
  test('decides who comes to the gate, and hears of those who do not come through', () => {
    const { raw, gate, listener } = gated(8);
    const log: string[] = [];
    let admits = true;
    listener.doorkeeper = {
      admits: () => admits,
      dismissed: () => log.push('dismissed'),
    };
    const [first, second, third, fourth] = [connection(), connection(), connection(), connection()];
    raw.bring(first, second, third);
    listener.tryAccept();
    gate.at(0).passed(first);
    gate.at(1).failed(REFUSED);
    gate.at(2).gone();
    expect(log).toEqual(['dismissed', 'dismissed']);
    admits = false;
    raw.bring(fourth);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([first, undefined]);
    expect([gate.passages.length, fourth.ended]).toEqual([3, 'reset']);
  });
});

describe('the end of a listener with a gate', () => {
  test('resets what is under way, and what is through', () => {
    const { raw, gate, listener } = gated();
    const [first, second] = [connection(), connection()];
    raw.bring(first, second);
    listener.tryAccept();
    gate.at(0).passed(first);
    listener.close();
    expect([raw.closed, first.ended, second.ended]).toEqual([true, 'reset', 'reset']);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });

  test('comes behind the last passage when it is finished, and the door is closed at once', () => {
    const { raw, gate, listener } = gated();
    const last = connection();
    raw.bring(last);
    listener.tryAccept();
    listener.finish();
    expect([listener.tryAccept(), raw.closed]).toEqual([undefined, true]);
    // Whoever accepts sleeps meanwhile.
    expect(listener.canRecv).toBe(false);
    gate.at(0).passed(last);
    expect(listener.tryAccept()).toBe(last);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
    const empty = gated().listener;
    empty.finish();
    expect(() => empty.tryAccept()).toThrow(/closed here/);
  });

  test('comes behind those who wait below, as there is room for them', () => {
    const { raw, gate, listener } = gated(1);
    const [first, second] = [connection(), connection()];
    raw.bring(first, second);
    listener.tryAccept();
    listener.finish();
    expect([listener.tryAccept(), raw.closed]).toEqual([undefined, false]);
    gate.at(0).passed(first);
    expect(listener.tryAccept()).toBe(first);
    expect([listener.tryAccept(), raw.closed, listener.busy]).toEqual([undefined, false, true]);
    gate.at(1).passed(second);
    expect(listener.tryAccept()).toBe(second);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
    expect(raw.closed).toBe(true);
  });

  test('comes behind both gates where there are two', () => {
    const { raw, gate, listener: inner } = gated();
    const second = new FakeGate();
    const outer = new GatedListener(inner, second, scheduler);
    const last = connection();
    raw.bring(last);
    outer.tryAccept();
    outer.finish();
    expect([outer.tryAccept(), raw.closed, inner.through]).toEqual([undefined, true, false]);
    expect([inner.canRecv, outer.canRecv]).toEqual([false, false]);
    gate.at(0).passed(last);
    expect([outer.canRecv, outer.tryAccept(), second.passages.length]).toEqual([
      true,
      undefined,
      1,
    ]);
    second.at(0).passed(last);
    expect(outer.tryAccept()).toBe(last);
    expect(() => outer.tryAccept()).toThrow(/closed here/);
  });

  test('comes behind those of whom the network has not told yet', () => {
    const { raw, gate, listener } = gated();
    listener.tryAccept();
    raw.answers.push(connection());
    listener.finish();
    expect([listener.tryAccept(), gate.passages.length]).toEqual([undefined, 1]);
  });

  test('is told to every accept after it, also where it was closed in one', () => {
    const { raw, gate, listener } = gated();
    raw.bring(connection());
    listener.tryAccept();
    listener.onFailed = () => listener.close();
    gate.at(0).failed(REFUSED);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
    expect(listener.canRecv).toBe(true);
  });

  test('comes when the listener below is closed under one that is finished', () => {
    const { raw, listener } = gated();
    listener.tryAccept();
    listener.finish();
    raw.close();
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });

  test('comes when the listener below is closed under it', () => {
    const { raw, listener } = gated();
    listener.tryAccept();
    raw.close();
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });
});
