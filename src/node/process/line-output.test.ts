import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { LineOutput } from './line-output.ts';

/** A pipe of which the test decides when it takes something. */
class Pipe extends Writable {
  text = '';
  #release: (() => void) | undefined;
  #stuck = false;

  override _write(data: Buffer, _encoding: string, done: (error?: Error) => void): void {
    this.text += String(data);
    if (this.#stuck) this.#release = done;
    else done();
  }

  stick(): void {
    this.#stuck = true;
  }

  release(): void {
    this.#stuck = false;
    this.#release?.();
  }
}

describe('lines', () => {
  it('are written as they come, each with its end', () => {
    const pipe = new Pipe();
    const output = new LineOutput(() => pipe);
    output.write('one');
    output.write('two');
    expect(pipe.text).toBe('one\ntwo\n');
  });

  it('open the stream with the first of them', () => {
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

  it('that nobody reads are kept up to a limit, and counted beyond it', async () => {
    const pipe = new Pipe();
    const output = new LineOutput(() => pipe);
    pipe.stick();
    const line = 'x'.repeat(1023);
    for (let i = 0; i < 3000; i++) output.write(line);
    expect(pipe.writableLength).toBe((1024 + 1) * 1024);
    const drained = new Promise((resolve) => pipe.once('drain', resolve));
    pipe.release();
    await drained;
    output.write('the next');
    output.write('and the one after');
    expect(pipe.text.split('\n').slice(1025)).toEqual([
      'coronet: 1975 lines were lost, as nobody read them',
      'the next',
      'and the one after',
      '',
    ]);
  });

  it('whose reader has gone are no failure', async () => {
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
