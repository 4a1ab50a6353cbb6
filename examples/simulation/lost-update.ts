// A lost update: two tasks read a balance, wait, and write what they have computed from it. Between
// reading and writing somebody else has written. With one order of the tasks it works; the
// simulator tries the others.
import type { Operation } from 'coronet';
import { all, Lock, sleep } from 'coronet';
import type { Scenario } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

class Account {
  balance = 100;
  readonly #lock = new Lock('account');

  /** Wrong: the balance that it adds to is from before the wait. */
  *deposit(amount: number): Operation<void> {
    const { balance } = this;
    yield; // The audit log is written here.
    this.balance = balance + amount;
  }

  /** Right: from reading to writing, nobody else is inside. */
  *depositLocked(amount: number): Operation<void> {
    yield* this.#lock.with(() => this.deposit(amount));
  }
}

type Deposit = (account: Account, amount: number) => Operation<void>;

/** Two clerks, each at a time of their own. */
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
