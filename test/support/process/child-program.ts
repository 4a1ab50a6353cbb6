/** Programs in processes of their own, for what concerns the life of a process. Needs the build. */
import { execFile } from 'node:child_process';

const built = new URL('../../../dist/index.js', import.meta.url).href;

export interface ChildEnd {
  /** The exit code; null if the process had to be killed because it did not end. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `source`, a module in which all that Coronet exports is in the namespace `coronet`. */
export function runProgram(source: string, timeoutMs = 6000): Promise<ChildEnd> {
  const program = `import * as coronet from ${JSON.stringify(built)};\n${source}`;
  const args = ['--input-type=module', '--eval', program];
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
    const child = execFile(process.execPath, args, options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr });
    });
  });
}
