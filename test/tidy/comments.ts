/** Rules about comments: prose, not code; reasons for deferred work; a header in every file. */
import type { Finding } from './rules.ts';
import type { CodeFile } from './tree.ts';
import { isTest } from './tree.ts';

/** Shapes of lines that are code and not prose. */
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
        const message = 'looks like code in a comment: delete it or write a sentence';
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
  if (/\bFIXME\b/.test(content)) return 'FIXME: fix it now';
  const isBare = /\bTODO\b(?!\([^)\s][^)]*\):)/.test(content);
  return isBare ? 'a TODO without a reason: write `TODO(reason): task`' : '';
}

/** src/index.ts and tests need no header. */
export function checkHeader({ path, scan }: CodeFile): Finding[] {
  if (!/^(?:src|native)\//.test(path) || path.endsWith('/index.ts') || isTest(path)) return [];
  if (scan.comments.some((comment) => comment.leads)) return [];
  const message = 'no header comment: state in the first lines what this file contains and why';
  return [{ path, line: 1, message }];
}
