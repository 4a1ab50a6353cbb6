/** The process as a program sees it. */
import { channel } from 'node:diagnostics_channel';
import type { EndSignal, Platform } from '../world/platform.ts';

export const nodePlatform: Platform = {
  onEndSignals(heard: (signal: EndSignal) => void): () => void {
    const listener = (signal: NodeJS.Signals): void => heard(signal as EndSignal);
    process.on('SIGINT', listener);
    process.on('SIGTERM', listener);
    return () => {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    };
  },

  report(line: string): void {
    process.stderr.write(`${line}\n`);
  },

  setExitCode(code: number): void {
    process.exitCode = code;
  },

  exit(code: number): never {
    process.exit(code);
  },

  channel,
};
