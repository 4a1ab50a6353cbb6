/**
 * Keeps what a process writes into its channel from ending the one that has started it.
 *
 * The channel is a descriptor like any other one of that process, so code that writes to a wrong
 * number writes there. Node parses each line where nothing can catch what that throws, and it
 * answers messages of its own protocol (`cmd: 'NODE_HANDLE_ACK'`) with assertions: either would be
 * an uncaught exception here, and with it the end of all processes that are looked after.
 */
import type { ChildProcess } from 'node:child_process';

/** The end of the pipe: Node's own object, under a symbol of its own since Node 12. */
interface ChannelHandle {
  onread?: ((...args: unknown[]) => unknown) | null;
}

/**
 * Calls `rubbish` for what is no message; what came with it in one piece may be lost. Where Node
 * has no such object any more, everything is as it was. Handles are not sent here in either
 * direction, so nobody misses the messages about them.
 */
export function guardChannel(child: ChildProcess, rubbish: (error: unknown) => void): void {
  child.removeAllListeners('internalMessage');
  const handle = channelHandle(child);
  const read = handle?.onread;
  if (handle === undefined || typeof read !== 'function') return;
  handle.onread = function (...args): unknown {
    try {
      return Reflect.apply(read, this, args);
    } catch (error) {
      rubbish(error);
      return undefined;
    }
  };
}

function channelHandle(child: ChildProcess): ChannelHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(child).find(({ description }) => {
    return description === 'kChannelHandle';
  });
  if (symbol === undefined) return undefined;
  return (child as unknown as Readonly<Record<symbol, ChannelHandle>>)[symbol];
}
