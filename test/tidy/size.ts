/** Rules about size: files, functions, lines and parameter lists. */
import type { Finding } from './rules.ts';
import type { CodeFile } from './tree.ts';

const limits = { fileLines: 600, functionLines: 70, columns: 100, parameters: 4 };

export function checkFileLength({ path, text }: CodeFile): Finding[] {
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines <= limits.fileLines) return [];
  const message = `${lines} lines, at most ${limits.fileLines}: split it`;
  return [{ path, line: limits.fileLines + 1, message }];
}

/** Suites are lists of tests: their length is not limited. */
export function checkFunctions({ path, functions }: CodeFile): Finding[] {
  return functions
    .filter((found) => !found.isSuite && found.lines > limits.functionLines)
    .map(({ line, name, lines }) => ({
      path,
      line,
      message: `${name} has ${lines} lines, at most ${limits.functionLines}: split it (aim at 40)`,
    }));
}

export function checkParameters({ path, functions }: CodeFile): Finding[] {
  return functions
    .filter((found) => found.parameters > limits.parameters)
    .map(({ line, name, parameters }) => ({
      path,
      line,
      message: `${name} has ${parameters} parameters, at most ${limits.parameters}: take an object`,
    }));
}

export function checkColumns({ path, text }: CodeFile): Finding[] {
  return text.split('\n').flatMap((content, index) => {
    const columns = [...content].length;
    if (columns <= limits.columns) return [];
    const message = `${columns} columns, at most ${limits.columns}: break the line`;
    return [{ path, line: index + 1, message }];
  });
}
