/** Rules about comments: sentences only, no code, and nothing left to do without a reason. */
import type { Finding } from './rules.ts';
import type { CodeFile } from './tree.ts';
import { isTest } from './tree.ts';

/** What a line of code looks like and a line of prose does not. */
const codeShapes = [
  /^(?:const|let|var)\s+[\w$[{].*[=;{]/,
  /^(?:import|export)\s.*(?:from\s+['"].*|[{;])$/,
  /^(?:if|for|while|switch)\s*\(.*[;{)]$/,
  /^(?:return|throw|await|yield\*?)\b.*;$/,
  /^(?:async\s+)?function\*?\s+\w+\s*\(/,
  /^[\w$.#]+(?:\[[^\]]*\])?\s*[-+*|&]?=\s.*;$/,
  /^(?:[\w$#]+\.)*[\w$#]+\(.*\);$/,
  /^\}?\s*(?:else|catch|finally)\b.*\{$/,
  /^[\])}]+[;,]?$/,
];

/** Doc comments may show examples; line and block comments hold prose. */
export function checkCommentedCode({ path, scan }: CodeFile): Finding[] {
  return scan.comments
    .filter((comment) => comment.kind !== 'doc')
    .flatMap((comment) => {
      return comment.text.split('\n').flatMap((raw, index) => {
        const content = raw.replace(/^\s*(?:\/\/+|\/\*+|\*(?!\/))?|\*\/\s*$/g, '').trim();
        if (!codeShapes.some((shape) => shape.test(content))) return [];
        const message = 'looks like code in a comment: delete it, or write a sentence';
        return [{ path, line: comment.line + index, message }];
      });
    });
}

export function checkTodos({ path, scan }: CodeFile): Finding[] {
  return scan.comments.flatMap((comment) => {
    return comment.text.split('\n').flatMap((content, index) => {
      const problem = todoProblem(content);
      return problem === '' ? [] : [{ path, line: comment.line + index, message: problem }];
    });
  });
}

function todoProblem(content: string): string {
  if (/\bFIXME\b/.test(content)) return 'FIXME: repair it now';
  const isBare = /\bTODO\b(?!\([^)\s][^)]*\):)/.test(content);
  return isBare ? 'a TODO without a reason: say why it waits, as in `TODO(reason): what`' : '';
}

/** The entry file is a list of names and explains itself; tests are explained by their suites. */
export function checkHeader({ path, scan }: CodeFile): Finding[] {
  if (!/^(?:src|native)\//.test(path) || path.endsWith('/index.ts') || isTest(path)) return [];
  if (scan.comments.some((comment) => comment.leads)) return [];
  const message = 'no header comment: say in the first lines what this file holds and why';
  return [{ path, line: 1, message }];
}
