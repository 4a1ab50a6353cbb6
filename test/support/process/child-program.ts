/** Runs programs in child processes, for tests of the process lifecycle. Needs `npm run build`. */
import { execFile } from 'node:child_process';

const built = new URL('../../../dist/index.js', import.meta.url).href;

export interface ChildEnd {
  /** The exit code; null if the process did not end in time and was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `source`, a module in which the namespace `coronet` has all exports of Coronet. */
export function runProgram(source: string, timeoutMs = 25_000): Promise<ChildEnd> {
  const program = `import * as coronet from ${JSON.stringify(built)};\n${source}`;
  const args = ['--input-type=module', '--eval', program];
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
    const child = execFile(process.execPath, args, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}
