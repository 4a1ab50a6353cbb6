/** What one run is told, checked and complete. */
import type { Hooks } from '../kernel/hooks.ts';
import type { Faults, Link } from './core.ts';
import type { Deviations, Kept } from './decisions.ts';
import type { MakeMedium } from './medium.ts';
import type { OrderName } from './order.ts';

export interface RunSettings {
  readonly seed: number;
  readonly order: OrderName;
  /** Of 'pct': how many events in a particular order a bug may need to be found. */
  readonly pctDepth: number;
  readonly link: Link;
  readonly faults: Faults;
  readonly maxVirtualMs: number;
  readonly maxSteps: number;
  readonly hooks: Hooks | undefined;
  readonly debug: boolean;
  readonly makeMedium: MakeMedium;
  /** The choices that may differ from their defaults; null: all. */
  readonly kept: Kept | null;
  /** Filled with the choices that did differ. */
  readonly deviations: Deviations | null;
  /** True: every event is written down. */
  readonly record: boolean;
  /** Where problems go that no task receives. Absent: they fail the run. */
  readonly warn?: (problem: unknown) => void;
  /** Aborting it cancels the scenario. */
  readonly signal?: AbortSignal;
  /** The name of the scenario's task. Absent: 'main'. */
  readonly name?: string;
}
