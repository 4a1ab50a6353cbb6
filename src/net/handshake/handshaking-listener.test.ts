import { describe, expect, test } from 'vitest';
import {
  clock,
  connection,
  FakeHandshakeStage,
  FakeListener,
  HERE,
  handshaking,
  IMMEDIATE_STAGE,
} from '../../../test/support/network/fake-handshakes.ts';
import { HandshakingListener } from './handshaking-listener.ts';

const { scheduler, timers } = clock;

function advance(ms: number): void {
  clock.advanceTo(clock.now + ms);
}

const SHORTAGE: Error = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
const REFUSED: Error = Object.assign(new Error('refused'), { code: 'ERR_TIMEOUT' });

describe('a listener with a gate', () => {
  test('hands out what has come through, in the order in which it did', () => {
    const { raw, stage, listener } = handshaking();
    const [first, second, outer] = [connection(), connection(), connection()];
    raw.arrive(first, second);
    expect(listener.tryAccept()).toBeUndefined();
    stage.at(1).complete(second);
    stage.at(0).complete(outer);
    expect([listener.canRecv, listener.tryAccept()]).toEqual([true, second]);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([outer, undefined]);
    expect(listener.stats()).toMatchObject({ completed: 2, failed: 0, pending: 0, waiting: 0 });
  });

  test('hands out at once what comes through at once', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    const only = connection();
    raw.arrive(only);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([only, undefined]);
  });

  test('hears of what comes after it has handed out the only one', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    raw.arrive(connection());
    listener.tryAccept();
    expect(listener.canRecv).toBe(false);
    raw.arrive(connection());
    expect(listener.canRecv).toBe(true);
  });

  test('leaves those in the queue below whom nobody has accepted', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    raw.arrive(connection(), connection(), connection());
    listener.tryAccept();
    expect([raw.results.length, listener.canRecv]).toEqual([2, true]);
  });

  test('takes no more than some at once where all are refused', () => {
    const { raw, stage, listener } = handshaking(8);
    listener.admissionPolicy = { admits: () => false, released: () => {} };
    raw.arrive(...Array.from({ length: 100 }, connection));
    expect([listener.tryAccept(), raw.results.length]).toEqual([undefined, 36]);
    expect(listener.canRecv).toBe(true);
    expect([listener.tryAccept(), raw.results.length]).toEqual([undefined, 0]);
    expect([listener.canRecv, stage.handshakes.length]).toEqual([false, 0]);
  });

  test('throws a shortage, and goes on when it is over', () => {
    const { raw, listener } = handshaking();
    raw.arrive(SHORTAGE, connection());
    expect(() => listener.tryAccept()).toThrow('EMFILE');
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.stats().pending).toBe(1);
  });

  test('throws no shortage while there is somebody to hand out', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    const only = connection();
    raw.arrive(only, SHORTAGE);
    expect(listener.tryAccept()).toBe(only);
  });

  test('waits below only while nothing is there', () => {
    const { raw, listener } = handshaking();
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.canRecv).toBe(false);
    expect(raw.recvWaiter).toBe(listener);
    raw.arrive(connection());
    expect(listener.canRecv).toBe(true);
  });

  test('takes no more than the gate allows, and the next when one has failed', () => {
    const { raw, stage, listener } = handshaking(1);
    raw.arrive(connection(), connection());
    expect(listener.tryAccept()).toBeUndefined();
    expect([raw.results.length, raw.acceptBatch, listener.canRecv]).toEqual([1, 1, false]);
    stage.at(0).fail(REFUSED);
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(raw.results.length).toBe(0);
  });

  test('takes no more than the program has room for, but always one', () => {
    const { raw, listener } = handshaking(8);
    raw.arrive(connection(), connection(), connection());
    listener.acceptBatch = 2;
    listener.tryAccept();
    expect(listener.stats().pending).toBe(2);
    listener.acceptBatch = 0;
    expect([listener.tryAccept(), raw.results.length]).toEqual([undefined, 1]);
    const alone = handshaking(8);
    alone.listener.acceptBatch = 0;
    alone.raw.arrive(connection());
    alone.listener.tryAccept();
    expect(alone.listener.stats().pending).toBe(1);
  });

  test('takes more as soon as the program has room for more', () => {
    const { raw, listener } = handshaking(8);
    raw.arrive(connection(), connection(), connection());
    listener.acceptBatch = 1;
    listener.tryAccept();
    expect([listener.canRecv, raw.results.length]).toEqual([false, 2]);
    listener.acceptBatch = 2;
    expect(listener.canRecv).toBe(true);
    listener.tryAccept();
    expect([listener.canRecv, raw.results.length]).toEqual([false, 1]);
  });

  test('takes more then where somebody is at the gate before it, too', () => {
    const { raw, listener: inner } = handshaking(8);
    const outer = new HandshakingListener(inner, IMMEDIATE_STAGE, scheduler);
    raw.arrive(connection(), connection());
    outer.acceptBatch = 1;
    outer.tryAccept();
    expect([outer.canRecv, raw.results.length]).toEqual([false, 1]);
    outer.acceptBatch = 2;
    expect(outer.canRecv).toBe(true);
    outer.tryAccept();
    expect([outer.canRecv, raw.results.length]).toEqual([false, 0]);
  });

  test('counts failures, keeps the last, and tells them in the next accept', () => {
    const { raw, stage, listener } = handshaking();
    const told: unknown[] = [];
    listener.onHandshakeFailed = ({ error, remote }) => told.push(error, remote);
    raw.arrive(connection(), connection());
    listener.tryAccept();
    stage.at(0).fail(REFUSED);
    stage.at(1).disconnected();
    expect(told).toEqual([]);
    listener.tryAccept();
    expect(told).toEqual([REFUSED, HERE]);
    expect(listener.stats()).toMatchObject({ failed: 1, timedOut: 1, pending: 0 });
    expect(listener.stats().lastFailure).toMatchObject({ code: 'ERR_TIMEOUT', message: 'refused' });
  });

  test('passes over what a passage tells after its end', () => {
    const { raw, stage, listener } = handshaking();
    raw.arrive(connection());
    listener.tryAccept();
    stage.at(0).fail(REFUSED);
    stage.at(0).complete(connection());
    stage.at(0).fail(REFUSED);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.stats()).toMatchObject({ failed: 1, completed: 0 });
  });

  test('takes another gate for connections from then on', () => {
    const { raw, stage, listener } = handshaking();
    listener.replaceStage(() => IMMEDIATE_STAGE);
    const only = connection();
    raw.arrive(only);
    expect([listener.tryAccept(), stage.handshakes]).toEqual([only, []]);
    listener.close();
    expect(() => listener.replaceStage(() => IMMEDIATE_STAGE)).toThrow(/closed here/);
  });
});

describe('who is slow at a gate', () => {
  test('gives way while others wait below, the oldest first, and not before its time', () => {
    const { raw, stage, listener } = handshaking(2);
    const all = [connection(), connection(), connection(), connection()];
    raw.arrive(...all.slice(0, 2));
    listener.tryAccept();
    advance(5000);
    expect(listener.stats()).toMatchObject({ pending: 2, failed: 0 });
    raw.arrive(...all.slice(2));
    expect([listener.canRecv, all[0]?.ended]).toEqual([false, undefined]);
    advance(0);
    expect([listener.canRecv, all[0]?.ended, all[1]?.ended]).toEqual([true, 'reset', undefined]);
    expect(listener.tryAccept()).toBeUndefined();
    expect([stage.handshakes.length, listener.stats().timedOut]).toEqual([3, 1]);
    advance(0);
    listener.tryAccept();
    expect([all[1]?.ended, listener.stats().pending]).toEqual(['reset', 2]);
    raw.arrive(connection());
    advance(1999);
    expect(all[2]?.ended).toBeUndefined();
    advance(1);
    expect([all[2]?.ended, all[3]?.ended]).toEqual(['reset', undefined]);
    listener.close();
    expect(timers.size).toBe(0);
  });

  test('has it too where nobody waits although an accept may be worth a try', () => {
    const { raw, listener } = handshaking(1);
    raw.clearsFlagLate = true;
    raw.queued = 0;
    const [slow, next] = [connection(), connection()];
    raw.arrive(slow);
    listener.tryAccept();
    advance(5000);
    expect([raw.canRecv, slow.ended]).toEqual([true, undefined]);
    raw.arrive(next);
    raw.queued = 1;
    advance(0);
    expect([slow.ended, listener.canRecv]).toEqual(['reset', true]);
    listener.close();
  });

  test('gives way to who has come through the gate before it', () => {
    const { raw, stage, listener: inner } = handshaking(8);
    raw.queued = 0;
    const outer = new HandshakingListener(inner, new FakeHandshakeStage(), scheduler);
    const [slow, next] = [connection(), connection()];
    raw.arrive(slow, next);
    outer.tryAccept();
    stage.at(0).complete(slow);
    outer.tryAccept();
    outer.acceptBatch = 1;
    advance(5000);
    expect(slow.ended).toBeUndefined();
    stage.at(1).complete(next);
    advance(0);
    expect([slow.ended, outer.canRecv]).toEqual(['reset', true]);
    outer.close();
  });

  test('has all the time of the gate while nobody waits', () => {
    const { raw, listener } = handshaking(1);
    const only = connection();
    raw.arrive(only);
    listener.tryAccept();
    advance(1_000_000);
    expect(only.ended).toBeUndefined();
    listener.close();
  });

  test('can be given up by age', () => {
    const { raw, listener } = handshaking(2);
    const [old, young] = [connection(), connection()];
    raw.arrive(old);
    listener.tryAccept();
    advance(600);
    raw.arrive(young);
    listener.tryAccept();
    advance(500);
    listener.abortOlderThan(1000);
    expect([old.ended, young.ended, listener.hasHandshakes]).toEqual(['reset', undefined, true]);
    listener.close();
  });
});

describe('a doorkeeper', () => {
  test('decides who comes to the gate, and hears of those who do not come through', () => {
    const { raw, stage, listener } = handshaking(8);
    const log: string[] = [];
    let admits = true;
    listener.admissionPolicy = {
      admits: () => admits,
      released: () => log.push('dismissed'),
    };
    const [first, second, third, fourth] = [connection(), connection(), connection(), connection()];
    raw.arrive(first, second, third);
    listener.tryAccept();
    stage.at(0).complete(first);
    stage.at(1).fail(REFUSED);
    stage.at(2).disconnected();
    expect(log).toEqual(['dismissed', 'dismissed']);
    admits = false;
    raw.arrive(fourth);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([first, undefined]);
    expect([stage.handshakes.length, fourth.ended]).toEqual([3, 'reset']);
  });
});

describe('the end of a listener with a gate', () => {
  test('resets what is under way, and what is through', () => {
    const { raw, stage, listener } = handshaking();
    const [first, second] = [connection(), connection()];
    raw.arrive(first, second);
    listener.tryAccept();
    stage.at(0).complete(first);
    listener.close();
    expect([raw.closed, first.ended, second.ended]).toEqual([true, 'reset', 'reset']);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });

  test('comes behind the last passage when it is finished, and the door is closed at once', () => {
    const { raw, stage, listener } = handshaking();
    const last = connection();
    raw.arrive(last);
    listener.tryAccept();
    listener.finish();
    expect([listener.tryAccept(), raw.closed]).toEqual([undefined, true]);
    // Whoever accepts sleeps meanwhile.
    expect(listener.canRecv).toBe(false);
    stage.at(0).complete(last);
    expect(listener.tryAccept()).toBe(last);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
    const empty = handshaking().listener;
    empty.finish();
    expect(() => empty.tryAccept()).toThrow(/closed here/);
  });

  test('comes behind those who wait below, as there is room for them', () => {
    const { raw, stage, listener } = handshaking(1);
    const [first, second] = [connection(), connection()];
    raw.arrive(first, second);
    listener.tryAccept();
    listener.finish();
    expect([listener.tryAccept(), raw.closed]).toEqual([undefined, false]);
    stage.at(0).complete(first);
    expect(listener.tryAccept()).toBe(first);
    expect([listener.tryAccept(), raw.closed, listener.hasHandshakes]).toEqual([
      undefined,
      false,
      true,
    ]);
    stage.at(1).complete(second);
    expect(listener.tryAccept()).toBe(second);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
    expect(raw.closed).toBe(true);
  });

  test('comes behind both gates where there are two', () => {
    const { raw, stage, listener: inner } = handshaking();
    const second = new FakeHandshakeStage();
    const outer = new HandshakingListener(inner, second, scheduler);
    const last = connection();
    raw.arrive(last);
    outer.tryAccept();
    outer.finish();
    expect([outer.tryAccept(), raw.closed, inner.finished]).toEqual([undefined, true, false]);
    expect([inner.canRecv, outer.canRecv]).toEqual([false, false]);
    stage.at(0).complete(last);
    expect([outer.canRecv, outer.tryAccept(), second.handshakes.length]).toEqual([
      true,
      undefined,
      1,
    ]);
    second.at(0).complete(last);
    expect(outer.tryAccept()).toBe(last);
    expect(() => outer.tryAccept()).toThrow(/closed here/);
  });

  test('comes behind those of whom the network has not told yet', () => {
    const { raw, stage, listener } = handshaking();
    listener.tryAccept();
    raw.results.push(connection());
    listener.finish();
    expect([listener.tryAccept(), stage.handshakes.length]).toEqual([undefined, 1]);
  });

  test('is told to every accept after it, also where it was closed in one', () => {
    const { raw, stage, listener } = handshaking();
    raw.arrive(connection());
    listener.tryAccept();
    listener.onHandshakeFailed = () => listener.close();
    stage.at(0).fail(REFUSED);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
    expect(listener.canRecv).toBe(true);
  });

  test('comes when the listener below is closed under one that is finished', () => {
    const { raw, listener } = handshaking();
    listener.tryAccept();
    listener.finish();
    raw.close();
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });

  test('comes when the listener below is closed under it', () => {
    const { raw, listener } = handshaking();
    listener.tryAccept();
    raw.close();
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });
});
