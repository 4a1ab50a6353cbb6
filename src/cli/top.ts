/** `coronet top`: shows the tasks of a running process, and refreshes them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { InspectSnapshot } from '../inspect/snapshot.ts';
import { CommandUsageError } from './errors.ts';
import { readArguments, readMs, wrongValue } from './options.ts';
import { Attachment } from './top/attachment.ts';
import type { TopState } from './top/screen.ts';
import { renderOnce, renderScreen, silenceText } from './top/screen.ts';
import { Session } from './top/session.ts';
import type { Target } from './top/target.ts';
import { findTarget } from './top/target.ts';

const HELP = `Examples:
  coronet top 1234              show the tasks of process 1234, which runs under \`main\`
  coronet top 1234 --once       print them once, for scripts
  coronet top 1234 --once --json | jq .tree.stats
  coronet top /run/user/1000/coronet/1234.sock

Options:
  --once             print one snapshot and end
  --json             print snapshots as JSON, one a line
  --interval MS      time between two snapshots, 100 to 60000; default 1000

Keys: q ends, arrows select a task, enter shows its children one by one, s its source lines (of
programs in debug mode), t c w r n sort by tree, count, waiting time, run time and name.

The process must run as the same user. It is asked with SIGUSR2 to listen on a Unix socket, which it
closes 10 s after the last use. A process that is not a Coronet program gets no signal.
`;

const OPTIONS = {
  once: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  interval: { type: 'string', default: '1000' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** How long the first answer may take. */
const ATTACH_TIMEOUT_MS = 5000;
/** A process that does not answer for this time is reported as held. */
const SILENT_MS = 2000;
/** The time between the two snapshots of `--once`, from which rates are computed. */
const ONCE_MS = 250;

export async function run(args: readonly string[]): Promise<void> {
  const { values, words } = readArguments(args, OPTIONS);
  if (values['help'] === true) {
    process.stdout.write(HELP);
    return;
  }
  const [word, extra] = words;
  if (word === undefined || extra !== undefined) {
    throw new CommandUsageError('Expected one process id or socket: coronet top 1234. See --help.');
  }
  const intervalMs = readInterval(String(values['interval']));
  const target = findTarget(word);
  const attachment = await Attachment.open(target, ATTACH_TIMEOUT_MS);
  try {
    if (values['once'] === true) await showOnce(attachment, target, values['json'] === true);
    else if (values['json'] === true) await printJson(attachment, intervalMs);
    else await new Display(attachment, target, intervalMs).run();
  } finally {
    attachment.close();
  }
}

function readInterval(text: string): number {
  const ms = readMs('interval', text);
  if (ms >= 100 && ms <= 60_000) return ms;
  throw wrongValue('interval', 'a whole number from 100 to 60000', text);
}

async function showOnce(attachment: Attachment, target: Target, isJson: boolean): Promise<void> {
  const previous = await answerOf(attachment, {});
  if (isJson) {
    process.stdout.write(`${JSON.stringify(previous)}\n`);
    return;
  }
  await delay(ONCE_MS);
  const snapshot = await answerOf(attachment, {});
  const state = { ...EMPTY, title: target.title, snapshot, previous };
  process.stdout.write(`${renderOnce(state)}\n`);
}

const EMPTY: Omit<TopState, 'title' | 'snapshot'> = {
  previous: undefined,
  sort: 'tree',
  selected: 0,
  showsSite: false,
  silentMs: 0,
  holder: undefined,
};

async function printJson(attachment: Attachment, intervalMs: number): Promise<void> {
  let failed = false; // process.stdout is never destroyed.
  process.stdout.once('error', () => {
    failed = true;
  });
  while (!failed) {
    process.stdout.write(`${JSON.stringify(await answerOf(attachment, {}))}\n`);
    await delay(intervalMs);
  }
}

/** Waits for the answer, and writes a line to standard error while the process is silent. */
async function answerOf(
  attachment: Attachment,
  request: { readonly expand?: readonly number[] },
): Promise<InspectSnapshot> {
  const began = performance.now();
  const report = setInterval(() => {
    const silentMs = performance.now() - began;
    if (silentMs < SILENT_MS) return;
    process.stderr.write(`coronet: ${silenceText(silentMs, attachment.holder)}\n`);
  }, SILENT_MS);
  try {
    return await attachment.request(request);
  } finally {
    clearInterval(report);
  }
}

/** Signals after which the terminal is restored. */
const END_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The interactive display on a terminal. */
class Display {
  readonly #attachment: Attachment;
  readonly #target: Target;
  readonly #intervalMs: number;
  readonly #session = new Session();
  #snapshot: InspectSnapshot | undefined;
  #previous: InspectSnapshot | undefined;
  /** When the last request was sent that has no answer. */
  #askedAt: number | undefined;
  #failure: unknown;
  /** Ends the current pause: a key was pressed. */
  #wake = new AbortController();

  constructor(attachment: Attachment, target: Target, intervalMs: number) {
    this.#attachment = attachment;
    this.#target = target;
    this.#intervalMs = intervalMs;
  }

  async run(): Promise<void> {
    const { stdin, stdout } = process;
    if (!stdin.isTTY || !stdout.isTTY) {
      throw new CommandUsageError(
        'coronet top needs a terminal; use --once or --json without one.',
      );
    }
    const onInput = (data: Buffer): void => this.#onInput(String(data));
    const onResize = (): void => this.#draw();
    const onEnd = (): void => this.#onInput('q');
    stdin.setRawMode(true);
    stdin.on('data', onInput);
    stdin.on('end', onEnd);
    stdin.on('error', onEnd); // EIO: the terminal was closed.
    for (const signal of END_SIGNALS) process.on(signal, onEnd);
    stdout.on('resize', onResize);
    stdout.write(`${ALTERNATE_SCREEN}${HIDE_CURSOR}`);
    const ticker = setInterval(() => this.#draw(), 1000);
    try {
      await this.#loop();
    } finally {
      clearInterval(ticker);
      stdout.write(`${SHOW_CURSOR}${MAIN_SCREEN}`);
      stdout.off('resize', onResize);
      for (const signal of END_SIGNALS) process.off(signal, onEnd);
      stdin.off('end', onEnd);
      stdin.off('data', onInput);
      stdin.setRawMode(false);
      stdin.pause();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #loop(): Promise<void> {
    while (!this.#session.quits && this.#failure === undefined) {
      this.#wake = new AbortController();
      if (this.#askedAt === undefined) void this.#refresh();
      await delay(this.#intervalMs, undefined, { signal: this.#wake.signal }).catch(() => {});
    }
  }

  async #refresh(): Promise<void> {
    this.#askedAt = performance.now();
    try {
      const expand = [...this.#session.expanded];
      const answer = await this.#attachment.request({ expand });
      this.#previous = this.#snapshot;
      this.#snapshot = answer;
      this.#askedAt = undefined;
      this.#draw();
    } catch (error) {
      this.#failure = error;
      this.#wake.abort();
    }
  }

  #onInput(input: string): void {
    this.#session.press(input, this.#snapshot);
    this.#draw();
    this.#wake.abort();
  }

  #draw(): void {
    const { sort, selected, showsSite } = this.#session;
    const snapshot = this.#snapshot;
    const { columns, rows } = process.stdout; // 0 if the terminal does not know its size
    const silent = performance.now() - (this.#askedAt ?? performance.now());
    const silentMs = silent < SILENT_MS ? 0 : silent;
    const { holder } = this.#attachment;
    const lines =
      snapshot === undefined
        ? [silentMs === 0 ? 'waiting for the process' : silenceText(silentMs, holder)]
        : renderScreen(
            {
              title: this.#target.title,
              snapshot,
              previous: this.#previous,
              sort,
              selected,
              showsSite,
              silentMs,
              holder,
            },
            columns || 80,
            rows || 24,
          );
    process.stdout.write(`${HOME}${lines.join(CLEAR_REST_OF_LINE)}${CLEAR_REST}`);
  }
}

// ECMA-48 control sequences, and the private modes of xterm.
const ALTERNATE_SCREEN = '\x1b[?1049h';
const MAIN_SCREEN = '\x1b[?1049l';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
const HOME = '\x1b[H';
const CLEAR_REST_OF_LINE = '\x1b[K\r\n';
const CLEAR_REST = '\x1b[J';
