import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LineOutput } from './line-output.ts';

/** A pipe that the test can block. */
class Pipe extends Writable {
  text = '';
  #release: (() => void) | undefined;
  #blocked = false;

  override _write(data: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.text += String(data);
    if (this.#blocked) this.#release = done;
    else done();
  }

  block(): void {
    this.#blocked = true;
  }

  release(): void {
    this.#blocked = false;
    this.#release?.();
  }
}

describe('lines', () => {
  it('are written at once, each with a line end', () => {
    const pipe = new Pipe();
    const output = new LineOutput(() => pipe);
    output.write('one');
    output.write('two');
    expect(pipe.text).toBe('one\ntwo\n');
  });

  it('open the stream with the first line', () => {
    let opened = 0;
    const output = new LineOutput(() => {
      opened++;
      return new Pipe();
    });
    expect(opened).toBe(0);
    output.write('one');
    output.write('two');
    expect(opened).toBe(1);
  });

  it('are buffered up to a limit if they are not read, and counted beyond it', async () => {
    const pipe = new Pipe();
    const output = new LineOutput(() => pipe);
    pipe.block();
    const line = 'x'.repeat(1023);
    for (let i = 0; i < 3000; i++) output.write(line);
    expect(pipe.writableLength).toBe((1024 + 1) * 1024);
    const drained = new Promise((resolve) => pipe.once('drain', resolve));
    pipe.release();
    await drained;
    output.write('the next');
    output.write('and the one after');
    expect(pipe.text.split('\n').slice(1025)).toEqual([
      'coronet: 1975 lines were dropped because the output was not read',
      'the next',
      'and the one after',
      '',
    ]);
  });

  it('are ignored after the reader has closed the pipe', async () => {
    const pipe = new Pipe();
    const output = new LineOutput(() => pipe);
    output.write('one');
    const failed = new Promise((resolve) => pipe.once('close', resolve));
    pipe.destroy(new Error('write EPIPE'));
    await failed;
    output.write('two');
    expect(pipe.text).toBe('one\n');
  });
});
