import { describe, expect, it } from 'vitest';
import type { Operation, ReceivedDatagram, Wait } from '../../../src/index.ts';
import { bindDatagram, group } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { pattern } from '../../support/data.ts';
import {
  echoDatagrams,
  onTwo,
  rawReceive,
  rawSend,
  receiveDatagrams,
} from '../../support/datagrams.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { failure, LOOPBACK } from '../../support/sockets.ts';

/** 65535 less the headers of IPv4 and UDP. macOS has a setting (net.inet.udp.maxdgram). */
const LONGEST = process.platform === 'darwin' ? 9216 : 65_507;

for (const backend of backends) {
  describe(`datagrams on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('datagrams carry a request and a response, and each end gets the address of the other', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* near.sendTo('Hello', far.address);
        const question = yield* far.recvFrom();
        expect(String(question.data)).toBe('Hello');
        expect(question.from).toEqual(near.address);
        expect(question.truncated).toBe(false);
        yield* far.sendTo(`GOT:${question.data}`, question.from);
        const answer = yield* near.recvFrom();
        expect([String(answer.data), answer.from]).toEqual(['GOT:Hello', far.address]);
        expect([near.datagramsSent, near.datagramsReceived]).toEqual([1, 1]);
      }));

    it('datagrams keep their order and their boundaries', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const sent = Array.from({ length: 400 }, (_, i) => `${i}:${'x'.repeat(i % 50)}`);
        const received: string[] = [];
        for (let i = 0; i < sent.length; i += 40) {
          for (const text of sent.slice(i, i + 40)) yield* near.sendTo(text, far.address);
          for (let n = 0; n < 40; n++) received.push(String((yield* far.recvFrom()).data));
        }
        expect(received).toEqual(sent);
      }));

    it('hundreds of requests in sequence each get their response', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          const server = tasks.spawn(() => echoDatagrams(far));
          for (let i = 0; i < 300; i++) {
            yield* near.sendTo(`${i}`, far.address);
            expect(String((yield* near.recvFrom()).data)).toBe(`${i}`);
          }
          server.cancel();
        });
      }));

    it('a receiver distinguishes several senders', () =>
      backend.run(function* (): Operation<void> {
        using far = yield* bindDatagram(LOOPBACK);
        using one = yield* bindDatagram(LOOPBACK);
        using two = yield* bindDatagram(LOOPBACK);
        for (const each of [one, two, one]) yield* each.sendTo(`${each.address}`, far.address);
        for (let i = 0; i < 3; i++) {
          const { data, from } = yield* far.recvFrom();
          expect(`${from}`).toBe(String(data));
        }
      }));

    it('empty datagrams are carried in both directions', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        yield* near.sendTo('', far.address);
        yield* near.sendTo(new Uint8Array(0), far.address);
        expect(near.trySendTo(Buffer.alloc(0), far.address)).toBe(true);
        for (let i = 0; i < 3; i++) expect((yield* far.recvFrom()).data).toHaveLength(0);
        expect(far.datagramsReceived).toBe(3);
      }));

    it('the longest IPv4 datagram is carried, and a longer one fails with EMSGSIZE', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const longest = pattern(LONGEST);
        yield* near.sendTo(longest, far.address);
        expect((yield* far.recvFrom()).data.equals(longest)).toBe(true);
        const error = yield* failure(() => near.sendTo(pattern(LONGEST + 1), far.address));
        expect(error).toMatchObject({
          code: 'EMSGSIZE',
          syscall: 'send',
          port: far.address.port,
        });
        yield* near.sendTo('and goes on', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('and goes on');
      }));

    it('trySendTo or the next send throws an error, depending on sendsAtOnce', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const tooLong = () => near.trySendTo(pattern(65_508), far.address);
        if (backend.capabilities.sendsAtOnce) {
          expect(tooLong).toThrow(expect.objectContaining({ code: 'EMSGSIZE' }));
        } else {
          expect(tooLong()).toBe(true);
          const error = yield* failure(() => near.sendTo('not sent', far.address));
          expect(error.code).toBe('EMSGSIZE');
        }
        yield* near.sendTo('sent', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('sent');
      }));

    it('a datagram longer than maxLength is cut and marked as truncated', () =>
      backend.run(function* (): Operation<void> {
        using far = yield* bindDatagram(LOOPBACK, { maxLength: 10 });
        using near = yield* bindDatagram(LOOPBACK);
        for (const length of [9, 10, 11, 5000]) yield* near.sendTo(pattern(length), far.address);
        const seen: unknown[] = [];
        for (let i = 0; i < 4; i++) {
          const { data, truncated } = yield* far.recvFrom();
          expect(data.equals(pattern(data.length))).toBe(true);
          seen.push([data.length, truncated]);
        }
        expect(seen).toEqual([
          [9, false],
          [10, false],
          [10, true],
          [10, true],
        ]);
      }));

    it('a received datagram does not change when another one arrives', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const kept: ReceivedDatagram[] = [];
        for (let i = 0; i < 60; i++) {
          yield* near.sendTo(pattern(1000 + i, i + 1), far.address);
          kept.push(yield* far.recvFrom());
        }
        kept.forEach(({ data }, i) => {
          expect(data.equals(pattern(1000 + i, i + 1))).toBe(true);
        });
      }));

    it('the memory of a sent datagram can be changed afterwards', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const bytes = Buffer.from('first');
        expect(near.trySendTo(bytes, far.address)).toBe(true);
        bytes.fill('x');
        expect(String((yield* far.recvFrom()).data)).toBe('first');
      }));

    it('a text is sent as UTF-8, and any view of bytes is accepted', () =>
      onTwo(backend, function* (near, far): Operation<void> {
        const memory = Uint8Array.of(1, 2, 3, 4, 5);
        yield* near.sendTo('größer', far.address);
        yield* near.sendTo(memory.subarray(1, 4), far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('größer');
        expect([...(yield* far.recvFrom()).data]).toEqual([2, 3, 4]);
      }));

    it("`yield ['recv', datagram]` and tryRecvFrom receive the same datagrams", () =>
      onTwo(backend, function* (near, far): Operation<void> {
        expect(far.tryRecvFrom()).toBe(undefined);
        yield* near.sendTo('raw', far.address);
        expect(String((yield* rawReceive(far)).data)).toBe('raw');
      }));

    it("`yield ['send', datagram]` resumes while sending is possible", () =>
      onTwo(backend, function* (near, far): Operation<void> {
        for (let i = 0; i < 100; i++) yield* rawSend(near, `${i}`, far.address);
        for (let i = 0; i < 100; i++) expect(String((yield* far.recvFrom()).data)).toBe(`${i}`);
      }));

    it('datagrams that are not received are limited by a queue, and drops are counted', () =>
      backend.run(function* (): Operation<void> {
        using far = yield* bindDatagram(LOOPBACK, { recvBufferSize: 65_536 });
        using near = yield* bindDatagram(LOOPBACK);
        const count = 3000;
        const block = Buffer.alloc(1000, 'f');
        for (let i = 0; i < count; i++) {
          block.writeUInt32BE(i);
          yield* near.sendTo(block, far.address);
        }
        const numbers: number[] = [];
        for (const { data } of yield* receiveDatagrams(far)) numbers.push(data.readUInt32BE());
        expect(numbers.length).toBeGreaterThan(10);
        expect(numbers.length).toBeLessThan(1000);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        const dropped = far.dropped ?? 0;
        expect(dropped).toBeLessThanOrEqual(count - numbers.length);
        if (far.dropped !== undefined) expect(dropped).toBeGreaterThan(0);
        if (backend.capabilities.exactDropped && far.dropped !== undefined) {
          expect(dropped).toBe(count - numbers.length);
        }
        yield* near.sendTo('after it', far.address);
        expect(String((yield* far.recvFrom()).data)).toBe('after it');
        far.close();
        expect(far.dropped ?? 0).toBe(dropped);
      }));

    it('trySendTo returns false if it would block, and `writable` waits until it may succeed', () =>
      backend.run(function* (): Operation<void> {
        using far = yield* bindDatagram(LOOPBACK, { recvBufferSize: 4_000_000 });
        using near = yield* bindDatagram(LOOPBACK, { sendBufferSize: 4096 });
        const block = pattern(2000);
        let refused = 0;
        for (let i = 0; i < 200; i++) {
          while (!near.trySendTo(block, far.address)) {
            refused++;
            const wait: Wait = ['send', near];
            yield wait;
          }
        }
        expect(near.datagramsSent).toBe(200);
        if (!backend.capabilities.sendsAtOnce) expect(refused).toBeGreaterThan(0);
        const received = yield* receiveDatagrams(far);
        expect(received.length).toBeGreaterThan(0);
        expect(received.every(({ data }) => data.equals(block))).toBe(true);
      }));
  });
}
