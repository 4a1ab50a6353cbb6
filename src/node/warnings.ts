/** Process warnings, in a form that cannot throw. */
import { firstLine } from '../support/checks.ts';

/**
 * Emits a thrown value or a text as a process warning. Never throws. In the vm context of a test
 * runner, the errors of the runtime belong to another realm and emitWarning rejects them. Such an
 * error is emitted as a text with its name, its code and its stack.
 */
export function warn(problem: unknown, code?: string): void {
  try {
    const isObject = typeof problem === 'object' && problem !== null;
    const options = code === undefined ? {} : { code };
    process.emitWarning(isObject ? (problem as Error) : firstLine(problem), options);
  } catch {
    warnOfText(problem);
  }
}

function warnOfText(problem: unknown): void {
  try {
    const { message, name, code, stack } = problem as Record<string, unknown>;
    const text = typeof message === 'string' ? message : firstLine(problem);
    process.emitWarning(text, {
      type: typeof name === 'string' ? name : 'Warning',
      ...(typeof code === 'string' ? { code } : {}),
      ...(typeof stack === 'string' ? { detail: stack } : {}),
    });
  } catch {
    // A program that has replaced emitWarning, or a getter of the error: there is no other report.
  }
}
