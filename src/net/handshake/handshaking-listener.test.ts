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

describe('a handshaking listener', () => {
  test('a handshaking listener returns connections in the order in which they complete', () => {
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

  test('a handshake that completes at once is returned by the same accept', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    const only = connection();
    raw.arrive(only);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([only, undefined]);
  });

  test('a listener is notified of the next connection after it returned the only one', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    raw.arrive(connection());
    listener.tryAccept();
    expect(listener.canRecv).toBe(false);
    raw.arrive(connection());
    expect(listener.canRecv).toBe(true);
  });

  test('connections that the program does not accept stay in the raw listener', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    raw.arrive(connection(), connection(), connection());
    listener.tryAccept();
    expect([raw.results.length, listener.canRecv]).toEqual([2, true]);
  });

  test('one accept takes a limited number of connections if the policy rejects all of them', () => {
    const { raw, stage, listener } = handshaking(8);
    listener.admissionPolicy = { admits: () => false, released: () => {} };
    raw.arrive(...Array.from({ length: 100 }, connection));
    expect([listener.tryAccept(), raw.results.length]).toEqual([undefined, 36]);
    expect(listener.canRecv).toBe(true);
    expect([listener.tryAccept(), raw.results.length]).toEqual([undefined, 0]);
    expect([listener.canRecv, stage.handshakes.length]).toEqual([false, 0]);
  });

  test('a shortage is thrown, and accepting continues after it', () => {
    const { raw, listener } = handshaking();
    raw.arrive(SHORTAGE, connection());
    expect(() => listener.tryAccept()).toThrow('EMFILE');
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.stats().pending).toBe(1);
  });

  test('a shortage is not thrown while a completed connection can be returned', () => {
    const raw = new FakeListener();
    const listener = new HandshakingListener(raw, IMMEDIATE_STAGE, scheduler);
    const only = connection();
    raw.arrive(only, SHORTAGE);
    expect(listener.tryAccept()).toBe(only);
  });

  test('a handshaking listener waits on the raw listener only while its queue is empty', () => {
    const { raw, listener } = handshaking();
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.canRecv).toBe(false);
    expect(raw.recvWaiter).toBe(listener);
    raw.arrive(connection());
    expect(listener.canRecv).toBe(true);
  });

  test('pending handshakes are limited by the stage; a failed one makes room for the next', () => {
    const { raw, stage, listener } = handshaking(1);
    raw.arrive(connection(), connection());
    expect(listener.tryAccept()).toBeUndefined();
    expect([raw.results.length, raw.acceptBatch, listener.canRecv]).toEqual([1, 1, false]);
    stage.at(0).fail(REFUSED);
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(raw.results.length).toBe(0);
  });

  test('pending handshakes are limited by acceptBatch, but one is always allowed', () => {
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

  test('a larger acceptBatch makes the listener ready again', () => {
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

  test('a larger acceptBatch also reaches the raw listener if that one does handshakes', () => {
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

  test('failures are counted, the last one is kept, and the next accept reports them', () => {
    const { raw, stage, listener } = handshaking();
    const reported: unknown[] = [];
    listener.onHandshakeFailed = ({ error, remote }) => reported.push(error, remote);
    raw.arrive(connection(), connection());
    listener.tryAccept();
    stage.at(0).fail(REFUSED);
    stage.at(1).disconnected();
    expect(reported).toEqual([]);
    listener.tryAccept();
    expect(reported).toEqual([REFUSED, HERE]);
    expect(listener.stats()).toMatchObject({ failed: 1, timedOut: 1, pending: 0 });
    expect(listener.stats().lastFailure).toMatchObject({ code: 'ERR_TIMEOUT', message: 'refused' });
  });

  test('an outcome that is reported after the first one has no effect', () => {
    const { raw, stage, listener } = handshaking();
    raw.arrive(connection());
    listener.tryAccept();
    stage.at(0).fail(REFUSED);
    stage.at(0).complete(connection());
    stage.at(0).fail(REFUSED);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.stats()).toMatchObject({ failed: 1, completed: 0 });
  });

  test('replaceStage applies to connections that are accepted later', () => {
    const { raw, stage, listener } = handshaking();
    listener.replaceStage(() => IMMEDIATE_STAGE);
    const only = connection();
    raw.arrive(only);
    expect([listener.tryAccept(), stage.handshakes]).toEqual([only, []]);
    listener.close();
    expect(() => listener.replaceStage(() => IMMEDIATE_STAGE)).toThrow(/closed by this program/);
  });
});

describe('a slow handshake', () => {
  test('a slow handshake is aborted while connections wait, the oldest first', () => {
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

  test('a slow handshake continues if no connection waits, although an accept may succeed', () => {
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

  test('a slow handshake is aborted for a connection that has completed the previous stage', () => {
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

  test('a slow handshake has the time of its stage while no connection waits', () => {
    const { raw, listener } = handshaking(1);
    const only = connection();
    raw.arrive(only);
    listener.tryAccept();
    advance(1_000_000);
    expect(only.ended).toBeUndefined();
    listener.close();
  });

  test('abortOlderThan aborts only handshakes of that age', () => {
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

describe('an admission policy', () => {
  test('an admission policy rejects peers, and is notified of failed handshakes', () => {
    const { raw, stage, listener } = handshaking(8);
    const log: string[] = [];
    let admits = true;
    listener.admissionPolicy = {
      admits: () => admits,
      released: () => log.push('released'),
    };
    const [first, second, third, fourth] = [connection(), connection(), connection(), connection()];
    raw.arrive(first, second, third);
    listener.tryAccept();
    stage.at(0).complete(first);
    stage.at(1).fail(REFUSED);
    stage.at(2).disconnected();
    expect(log).toEqual(['released', 'released']);
    admits = false;
    raw.arrive(fourth);
    expect([listener.tryAccept(), listener.tryAccept()]).toEqual([first, undefined]);
    expect([stage.handshakes.length, fourth.ended]).toEqual([3, 'reset']);
  });
});

describe('the end of a handshaking listener', () => {
  test('close resets pending and completed connections', () => {
    const { raw, stage, listener } = handshaking();
    const [first, second] = [connection(), connection()];
    raw.arrive(first, second);
    listener.tryAccept();
    stage.at(0).complete(first);
    listener.close();
    expect([raw.closed, first.ended, second.ended]).toEqual([true, 'reset', 'reset']);
    expect(() => listener.tryAccept()).toThrow(/closed by this program/);
  });

  test('finish closes an empty raw listener at once and waits for the last handshake', () => {
    const { raw, stage, listener } = handshaking();
    const last = connection();
    raw.arrive(last);
    listener.tryAccept();
    listener.finish();
    expect([listener.tryAccept(), raw.closed]).toEqual([undefined, true]);
    // The accepting task would sleep now.
    expect(listener.canRecv).toBe(false);
    stage.at(0).complete(last);
    expect(listener.tryAccept()).toBe(last);
    expect(() => listener.tryAccept()).toThrow(/closed by this program/);
    const empty = handshaking().listener;
    empty.finish();
    expect(() => empty.tryAccept()).toThrow(/closed by this program/);
  });

  test('finish accepts the connections that wait in the raw listener as capacity permits', () => {
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
    expect(() => listener.tryAccept()).toThrow(/closed by this program/);
    expect(raw.closed).toBe(true);
  });

  test('finish of two stages waits for both of them', () => {
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
    expect(() => outer.tryAccept()).toThrow(/closed by this program/);
  });

  test('finish accepts a connection that the network has not notified yet', () => {
    const { raw, stage, listener } = handshaking();
    listener.tryAccept();
    raw.results.push(connection());
    listener.finish();
    expect([listener.tryAccept(), stage.handshakes.length]).toEqual([undefined, 1]);
  });

  test('every accept after close fails, also if a callback of accept closed the listener', () => {
    const { raw, stage, listener } = handshaking();
    raw.arrive(connection());
    listener.tryAccept();
    listener.onHandshakeFailed = () => listener.close();
    stage.at(0).fail(REFUSED);
    expect(() => listener.tryAccept()).toThrow(/closed by this program/);
    expect(listener.canRecv).toBe(true);
  });

  test('closing the raw listener ends a listener that is finishing', () => {
    const { raw, listener } = handshaking();
    listener.tryAccept();
    listener.finish();
    raw.close();
    expect(() => listener.tryAccept()).toThrow(/closed by this program/);
  });

  test('closing the raw listener closes the handshaking listener', () => {
    const { raw, listener } = handshaking();
    listener.tryAccept();
    raw.close();
    expect(() => listener.tryAccept()).toThrow(/closed by this program/);
  });
});
