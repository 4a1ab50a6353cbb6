/**
 * The list of failed runs of a `simulateTest`: a text file for people and version control.
 *
 *     # Failed runs. simulateTest repeats them first. One run per line.
 *     AQEDKgECAwL-BgAAAQAAAMz0rGE  # seed 42: Error: lost update
 *     seed 17                      # found by hand
 */
import { firstLine } from '../../support/checks.ts';
import type { SimulationError } from '../errors.ts';
import { ReplayTokenError } from '../errors.ts';
import { decodeReplay } from './token.ts';

/** A line of the list, and the run that it identifies. */
export interface Regression {
  readonly line: number;
  readonly which: { readonly replay: string } | { readonly seed: number; readonly runs: 1 };
}

/** The maximum number of runs in a list, so that the duration of a test is bounded. */
export const MAX_REGRESSIONS = 200;

const HEADER = '# Failed runs. simulateTest repeats them first. One run per line.\n';

/** Throws ReplayTokenError for a line that is not a token and not a seed, with `path:line`. */
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

/** The text to append to the list; '' if the list contains the failure, or cannot contain it. */
export function regressionLine(text: string, error: SimulationError, path: string): string {
  const { replay, seed } = error;
  if (replay === undefined) return '';
  const known = parseRegressions(text, path);
  if (known.length >= MAX_REGRESSIONS) return '';
  if (known.some(({ which }) => 'replay' in which && which.replay === replay)) return '';
  const head = text === '' ? HEADER : text.endsWith('\n') ? '' : '\n';
  // Colour codes and other control characters do not belong in the file.
  const why = firstLine(error.error).replace(/[^\P{C}]/gu, ' ');
  return `${head}${replay}  # seed ${seed}: ${why}\n`;
}
