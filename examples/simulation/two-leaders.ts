// Two leaders: whoever has not heard of a leader for a while asks the others for their votes and
// leads if enough say yes. Wrong: 'enough' counts only those who can be reached, so that behind a
// partition there is a leader on either side. Right: more than half of all, and one vote each.
import type { Operation, Socket } from 'coronet';
import { all, allSettled, connect, sleep, tcpServer, timeout } from 'coronet';
import type { Scenario, World } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

const NAMES = ['a', 'b', 'c'];

class Node {
  readonly name: string;
  leads = false;
  readonly #needsMajority: boolean;
  /** Whom it has voted for. */
  #vote = '';

  constructor(name: string, needsMajority: boolean) {
    this.name = name;
    this.#needsMajority = needsMajority;
  }

  *run(world: World): Operation<void> {
    const serve = () => tcpServer(80, (socket) => this.#answer(socket));
    yield* all([serve, () => this.#stand(100 + Math.floor(world.random() * 400))]);
  }

  *#answer(socket: Socket): Operation<void> {
    const candidate = (yield* socket.reader().readLine()) ?? '';
    if (this.#vote === '') this.#vote = candidate;
    yield* socket.sendAll(this.#vote === candidate ? 'yes\n' : 'no\n');
  }

  /** Asks for votes, unless it has given its own away by then. */
  *#stand(ms: number): Operation<void> {
    yield* sleep(ms);
    if (this.#vote !== '') return;
    this.#vote = this.name;
    const others = NAMES.filter((name) => name !== this.name);
    const answers = yield* allSettled(others.map((name) => () => timeout(200, this.#ask(name))));
    const heard = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const votes = 1 + heard.filter((vote) => vote === 'yes').length;
    const voters = this.#needsMajority ? NAMES.length : 1 + heard.length;
    this.leads = votes * 2 > voters;
  }

  *#ask(name: string): Operation<string> {
    using socket = yield* connect(`${name}:80`);
    yield* socket.sendAll(`${this.name}\n`);
    return (yield* socket.reader().readLine()) ?? 'no';
  }
}

function election(needsMajority: boolean): Scenario {
  return function* (world) {
    const nodes = NAMES.map((name) => new Node(name, needsMajority));
    for (const node of nodes) world.host(node.name, () => node.run(world));
    const leaders = (): number => nodes.filter(({ leads }) => leads).length;
    world.always('there is no second leader', () => leaders() <= 1);
    yield* sleep(Math.floor(world.random() * 300));
    world.partition('a', '*');
    yield* sleep(1000);
  };
}

export const scenario: Scenario = election(false);
export const fixed: Scenario = election(true);

try {
  await simulate(scenario, { runs: 1000 });
} catch (error) {
  if (error instanceof SimulationError) console.log(`found: ${error.error}`);
}
const { runs } = await simulate(fixed, { runs: 1000 });
console.log(`fixed: ${runs} runs`);

// Output:
// found: InvariantError: 'there is no second leader' does not hold
// fixed: 1000 runs
