/** The picture of the figures in README.md is drawn from bench/figures.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Figures {
  readonly rows: readonly {
    readonly title: string;
    readonly basis: string;
    readonly ratios: Readonly<Record<string, number>>;
  }[];
}

interface Generator {
  figuresOf(output: unknown, about: unknown): Figures;
  figuresPicture(figures: Figures): string;
}

const { href } = new URL('../../scripts/docs-figures.mjs', import.meta.url);
const { figuresOf, figuresPicture } = (await import(href)) as Generator;
const figures = JSON.parse(readFileSync(join(ROOT, 'bench/figures.json'), 'utf8')) as Figures;

/** What the benchmarks print with --json, with one ratio in all cells. */
function output(ratio: number): unknown {
  const sizes = { connections: 50, size: 64, depth: 1 };
  const cell = (other: object) => ({
    ...sizes,
    servers: [
      { name: 'coronet-epoll', ratios: { 'node-net': ratio, ws: ratio + 1 } },
      { name: 'coronet-portable', ratios: { 'node-net': 9, ws: 9 } },
    ],
    ...other,
  });
  const many = { connections: 1000 };
  const large = { size: 16384 };
  const cells = [
    { suite: 'echo' },
    { suite: 'echo', ...many },
    { suite: 'echo', ...many, ...large },
  ];
  cells.push({ suite: 'lines' }, { suite: 'accept' }, { suite: 'fanout' }, { suite: 'ws' });
  const others = [
    { suite: 'ws', ...many, ...large },
    { suite: 'frames', ...large },
  ];
  const frames = [{ suite: 'frames', depth: 16 }, { suite: 'tls' }, { suite: 'tls', ...large }];
  const handshakes = { suite: 'tls', short: 'full', size: 16 };
  const all = [...cells, ...others, ...frames, handshakes].map(cell);
  return { machine: { node: 'v20.0.0', kernel: 'Linux', cpu: 'CPU', cores: 2 }, cells: all };
}

const about = { date: '2000-01-01', versions: { bun: '1', go: '1', cc: '1' } };

describe('the picture of the figures', () => {
  test('is what `npm run docs:figures` draws from bench/figures.json', () => {
    const picture = readFileSync(join(ROOT, 'docs/pictures/bench.svg'), 'utf8');
    expect(picture).toBe(figuresPicture(figures));
  });

  test('has the ratios to node:net, for WebSocket those to the package ws', () => {
    const { rows } = figuresOf(output(0.501), about);
    for (const { title, basis, ratios } of rows) {
      const isWebSocket = title.startsWith('WebSocket');
      expect([basis, ratios]).toEqual(
        isWebSocket ? ['ws', { 'coronet-epoll': 1.5 }] : ['node-net', { 'coronet-epoll': 0.5 }],
      );
    }
  });

  test('marks a cell in which Coronet costs more, and one beyond its axis', () => {
    const drawn = (ratio: number) => {
      const { rows, ...rest } = figuresOf(output(ratio), about);
      return figuresPicture({ ...rest, rows: rows.slice(0, 1) });
    };
    expect(drawn(1)).toContain('class="end value">1.00<');
    expect(drawn(1.01)).toContain('class="end value lost">1.01<');
    expect(drawn(7.3)).toContain('<path class="coronet-epoll"');
  });

  test('needs all of its cells', () => {
    expect(() => figuresOf({ machine: {}, cells: [] }, about)).toThrow(
      'The benchmarks lack echo, 50 × 64 B',
    );
  });
});
