import { expect, test } from 'vitest';
import { checkDuration, checkInstant, checkInteger, classNameOf, msText, show } from './checks.ts';

test('checkDuration accepts numbers from 0 to Infinity', () => {
  for (const ms of [0, 0.5, 2 ** 40, Infinity]) checkDuration('ms', ms);
  expect(() => checkDuration('ms', Number.NaN)).toThrow(RangeError);
  expect(() => checkDuration('ms', -0.001)).toThrow(RangeError);
  expect(() => checkDuration('ms', '1' as unknown as number)).toThrow(TypeError);
});

test('checkInstant accepts every number but NaN', () => {
  for (const at of [-5, 0, Infinity, Number.NEGATIVE_INFINITY]) checkInstant('at', at);
  expect(() => checkInstant('at', Number.NaN)).toThrow(RangeError);
  expect(() => checkInstant('at', undefined as unknown as number)).toThrow(TypeError);
});

test('checkInteger accepts whole numbers within its bounds', () => {
  checkInteger('n', 1, 1, 2);
  for (const n of [0, 3, 1.5, Number.NaN]) {
    expect(() => checkInteger('n', n, 1, 2)).toThrow(RangeError);
  }
});

test("the error of a check has Node's code and states the expected and the actual value", () => {
  expect(() => checkDuration('ms', Number.NaN)).toThrow(
    expect.objectContaining({
      message: 'Expected `ms` to be a number ≥ 0, got NaN (number)',
      code: 'ERR_OUT_OF_RANGE',
    }),
  );
  expect(() => checkDuration('ms', null as unknown as number)).toThrow(
    expect.objectContaining({
      message: 'Expected `ms` to be a number ≥ 0, got null (null)',
      code: 'ERR_INVALID_ARG_TYPE',
    }),
  );
});

test('msText() rounds milliseconds to whole ones, and small ones to three digits', () => {
  const texts = [99.99999237060547, 12.5001, 10, 9.99999, 1.23456, 0.25, 0, Infinity].map(msText);
  expect(texts.join(', ')).toBe('100 ms, 13 ms, 10 ms, 10 ms, 1.23 ms, 0.25 ms, 0 ms, Infinity ms');
});

test('show() returns a short text for every value', () => {
  const circle: unknown[] = [];
  circle.push(circle, circle);
  const values = [
    ...['text'.repeat(100), 5, 5n, Symbol('s'), null, undefined, true, () => undefined],
    ...[[1, 'a'], {}, Object.create(null), new Map(), Promise.resolve(), circle],
  ];
  for (const value of values) expect(show(value).length).toBeLessThan(100);
});

test('show() does not throw if the value throws', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const tagged = {
    get [Symbol.toStringTag](): string {
      throw new Error('tag');
    },
  };
  for (const value of [proxy, tagged]) expect(typeof show(value)).toBe('string');
});

test('classNameOf() returns the name of a class without the suffix of a bundler', () => {
  expect(classNameOf(new (class Send {})())).toBe('Send');
  expect(classNameOf(new (class Send$1 {})())).toBe('Send');
});
