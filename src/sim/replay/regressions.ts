/**
 * The list of runs that have failed once: a text for people and version control.
 *
 *     # Runs that have failed, made again first by simulateTest. One to a line.
 *     AQEDKgECAwL-BgAAAQAAAMz0rGE  # seed 42: Error: lost update
 *     seed 17                      # found by hand
 */
import { firstLine } from '../../support/checks.ts';
import type { SimulationError } from '../errors.ts';
import { ReplayTokenError } from '../errors.ts';
import { decodeReplay } from './token.ts';

/** A line of the list: which run it stands for. */
export interface Regression {
  readonly line: number;
  readonly which: { readonly replay: string } | { readonly seed: number; readonly runs: 1 };
}

/** Runs that a list holds at most: a test has to come to its end. */
export const MAX_REGRESSIONS = 200;

const HEADER = '# Runs that have failed, made again first by simulateTest. One to a line.\n';

/** Throws ReplayTokenError for a line that is neither a token nor a seed; `path` is for people. */
export function parseRegressions(text: string, path: string): Regression[] {
  return text.split('\n').flatMap((content, index): Regression[] => {
    const word = content.replace(/#.*/, '').trim();
    if (word === '') return [];
    const line = index + 1;
    const seed = /^seed (\d{1,15})$/.exec(word)?.[1];
    if (seed !== undefined) return [{ line, which: { seed: Number(seed), runs: 1 } }];
    return [{ line, which: { replay: checkedToken(word, `${path}:${line}`) } }];
  });
}

function checkedToken(word: string, where: string): string {
  try {
    decodeReplay(word);
    return word;
  } catch (error) {
    const text = (error as Error).message.replace('`replay`', `the line at ${where}`);
    throw new ReplayTokenError(text);
  }
}

/** What has to be added to `text` for the failure to be in the list; '' if it is, or cannot be. */
export function regressionLine(text: string, error: SimulationError, path: string): string {
  const { replay, seed } = error;
  if (replay === undefined) return '';
  const known = parseRegressions(text, path);
  if (known.length >= MAX_REGRESSIONS) return '';
  if (known.some(({ which }) => 'replay' in which && which.replay === replay)) return '';
  const head = text === '' ? HEADER : text.endsWith('\n') ? '' : '\n';
  // Marks of colour and other controls are no text.
  const why = firstLine(error.error).replace(/[^\P{C}]/gu, ' ');
  return `${head}${replay}  # seed ${seed}: ${why}\n`;
}
