import { describe, expect, test } from 'vitest';
import { ScriptedTransport } from '../../test/support/network/scripted-transport.ts';
import { Socket } from '../net/tcp/socket.ts';
import { SystemError } from '../support/system-error.ts';
import { isPeerFault } from './connection-operation.ts';

const STATES = ['alive', 'ended', 'broken', 'closed'] as const;

/** A connection that still holds bytes, in one of the states. */
function connection(state: (typeof STATES)[number]): Socket {
  const transport = new ScriptedTransport();
  const socket = new Socket(transport);
  transport.feed('unread');
  if (state === 'ended') transport.finish();
  if (state === 'broken') transport.finish(failure('ECONNRESET'));
  if (state === 'closed') socket.close();
  return socket;
}

function failure(code: string): Error {
  return new SystemError(code, -1, 'read');
}

/** The states in which `error` is the fault of the peer. */
function faultIn(error: unknown): readonly string[] {
  return STATES.filter((state) => isPeerFault(error, connection(state)));
}

describe('the fault of the peer', () => {
  test('is not what throws when it is looked at', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const several = new AggregateError([failure('ECONNRESET'), proxy]);
    expect([faultIn(proxy), faultIn(several)]).toEqual([[], []]);
  });

  test.each([
    ['ECONNRESET', ['broken', 'closed']],
    ['ERR_TLS_TRUNCATED', ['broken', 'closed']],
    ['EPIPE', ['ended', 'broken', 'closed']],
    ['ETIMEDOUT', ['broken']],
    ['EHOSTUNREACH', ['broken']],
    ['ECONNREFUSED', []],
    ['ENOBUFS', []],
  ])('is %s where the connection is %j', (code, states) => {
    expect(faultIn(failure(code))).toEqual(states);
  });

  test('is what a group has collected, if all of it is', () => {
    const both = new AggregateError([failure('ECONNRESET'), failure('EPIPE')]);
    expect(faultIn(both)).toEqual(['broken', 'closed']);
    expect(faultIn(new AggregateError([both, failure('ETIMEDOUT')]))).toEqual(['broken']);
    expect(faultIn(new AggregateError([both, new TypeError('a mistake')]))).toEqual([]);
    expect(faultIn(new AggregateError([]))).toEqual([]);
  });

  test('is nothing else that can be thrown', () => {
    let deep: Error = failure('ECONNRESET');
    for (let i = 0; i < 100; i++) deep = new AggregateError([deep]);
    const noCode = (): never => {
      throw new Error('not even a code');
    };
    const odd = Object.defineProperty(new Error('odd'), 'code', { get: noCode });
    for (const thrown of [undefined, null, 'ECONNRESET', new Error('ECONNRESET'), deep, odd]) {
      expect(faultIn(thrown)).toEqual([]);
    }
  });
});
