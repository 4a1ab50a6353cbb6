/** Helpers for tests of simulations. */
import { expect } from 'vitest';
import type { Operation } from '../../src/index.ts';
import { connect, listen, sleep } from '../../src/index.ts';
import type { Scenario, SimOptions, World } from '../../src/sim.ts';
import { SimulationError, simulate } from '../../src/sim.ts';
import { echo } from './sockets.ts';

/** Runs a scenario that has to fail. Without debug mode, which adds source lines to messages. */
export async function simulationErrorOf(
  scenario: Scenario,
  options?: SimOptions,
): Promise<SimulationError> {
  const outcome: unknown = await simulate(scenario, { debug: false, ...options }).catch(
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(SimulationError);
  return outcome as SimulationError;
}

/** The code of the error that a scenario fails with. */
export async function failureCodeOf(scenario: Scenario, options?: SimOptions): Promise<unknown> {
  const { error } = await simulationErrorOf(scenario, options);
  return (error as { code?: unknown }).code;
}

/** The return value of a scenario. */
export async function resultOf<T>(
  scenario: (world: World) => Operation<T>,
  options?: SimOptions,
): Promise<T> {
  let result: { readonly value: T } | undefined;
  await simulate(function* (world): Operation<void> {
    result = { value: yield* scenario(world) };
  }, options);
  return (result as { readonly value: T }).value;
}

/** Echoes the bytes of every connection, one connection after the other. */
export function* echoServer(): Operation<void> {
  const listener = yield* listen(7);
  try {
    for (;;) {
      using socket = yield* listener.accept();
      yield* echo(socket);
    }
  } finally {
    listener.close();
  }
}

/** Sends `text` to the echo server of `host` on a new connection and returns the answer. */
export function* askEcho(host: string, text: string): Operation<string> {
  const socket = yield* connect(`${host}:7`);
  try {
    yield* socket.sendAll(text);
    return String(yield* socket.recv());
  } finally {
    socket.close();
  }
}

/** A program that sleeps and never ends. */
export function* sleepInLoop(): Operation<void> {
  for (;;) yield* sleep(1000);
}
