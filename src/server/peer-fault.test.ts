/** `isPeerFault`: failures of a handler that its peer has caused. */
import { describe, expect, test } from 'vitest';
import { ScriptedTransport } from '../../test/support/network/scripted-transport.ts';
import { Socket } from '../net/tcp/socket.ts';
import { SystemError } from '../support/system-error.ts';
import { isPeerFault } from './served-connection.ts';

const STATES = ['alive', 'ended', 'broken', 'closed'] as const;

/** A connection with unread input, in one of the states. */
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

/** The states of the connection in which `error` is a fault of the peer. */
function faultIn(error: unknown): readonly string[] {
  return STATES.filter((state) => isPeerFault(error, connection(state)));
}

describe('a fault of the peer', () => {
  test('does not include values that throw when they are inspected', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const several = new AggregateError([failure('ECONNRESET'), proxy]);
    expect([faultIn(proxy), faultIn(several)]).toEqual([[], []]);
  });

  test.each([
    ['ECONNRESET', ['broken', 'closed']],
    ['ERR_TLS_TRUNCATED', ['broken', 'closed']],
    ['EPIPE', ['ended', 'broken', 'closed']],
    ['ERR_WS_ABNORMAL_CLOSURE', ['ended', 'broken', 'closed']],
    ['ETIMEDOUT', ['broken']],
    ['EHOSTUNREACH', ['broken']],
    ['ECONNREFUSED', []],
    ['ENOBUFS', []],
  ])('includes %s if the connection is %j', (code, states) => {
    expect(faultIn(failure(code))).toEqual(states);
  });

  test('includes an AggregateError if all its errors are faults of the peer', () => {
    const both = new AggregateError([failure('ECONNRESET'), failure('EPIPE')]);
    expect(faultIn(both)).toEqual(['broken', 'closed']);
    expect(faultIn(new AggregateError([both, failure('ETIMEDOUT')]))).toEqual(['broken']);
    expect(faultIn(new AggregateError([both, new TypeError('an error of the program')]))).toEqual(
      [],
    );
    expect(faultIn(new AggregateError([]))).toEqual([]);
  });

  test('does not include other values', () => {
    let deep: Error = failure('ECONNRESET');
    for (let i = 0; i < 100; i++) deep = new AggregateError([deep]);
    const noCode = (): never => {
      throw new Error('no code');
    };
    const odd = Object.defineProperty(new Error('odd'), 'code', { get: noCode });
    for (const thrown of [undefined, null, 'ECONNRESET', new Error('ECONNRESET'), deep, odd]) {
      expect(faultIn(thrown)).toEqual([]);
    }
  });
});
