// A lost update: two tasks read a balance, wait, and write a new balance. If one writes while the
// other waits, its update is lost. The default order of the tasks works; other orders fail.
import type { Operation } from 'coronet';
import { all, Lock, sleep } from 'coronet';
import type { Scenario } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

class Account {
  balance = 100;
  readonly #lock = new Lock('account');

  /** Wrong: `balance` was read before the wait. */
  *deposit(amount: number): Operation<void> {
    const { balance } = this;
    yield; // The audit log is written here.
    this.balance = balance + amount;
  }

  /** Right: the lock is held from reading to writing. */
  *depositLocked(amount: number): Operation<void> {
    yield* this.#lock.with(() => this.deposit(amount));
  }
}

type Deposit = (account: Account, amount: number) => Operation<void>;

/** Two clerks deposit at random times. */
function deposits(deposit: Deposit): Scenario {
  return function* (world) {
    const account = new Account();
    const clerk = function* (amount: number): Operation<void> {
      yield* sleep(Math.floor(world.random() * 10));
      yield* deposit(account, amount);
    };
    yield* all([() => clerk(10), () => clerk(20)]);
    if (account.balance !== 130) throw new Error(`The balance is not 130`);
  };
}

export const scenario: Scenario = deposits((account, amount) => account.deposit(amount));
export const fixed: Scenario = deposits((account, amount) => account.depositLocked(amount));

try {
  await simulate(scenario, { runs: 1000 });
} catch (error) {
  if (error instanceof SimulationError) console.log(`found: ${error.error}`);
}
const { runs } = await simulate(fixed, { runs: 1000 });
console.log(`fixed: ${runs} runs`);

// Output:
// found: Error: The balance is not 130
// fixed: 1000 runs
