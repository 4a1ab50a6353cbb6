/** One `beforeExit` listener of the process for all hosts: a listener each would warn after ten. */

/** Who wants to hear that Node's event loop has nothing left to wait for. */
export interface Idler {
  loopIsEmpty(): void;
}

const idlers = new Set<Idler>();

/** Adds `idler`, or takes it out. */
export function whenLoopIsEmpty(idler: Idler, wanted = true): void {
  if (wanted) idlers.add(idler);
  else idlers.delete(idler);
  process.off('beforeExit', tellAll);
  if (idlers.size > 0) process.on('beforeExit', tellAll);
}

function tellAll(): void {
  for (const idler of [...idlers]) idler.loopIsEmpty();
}
