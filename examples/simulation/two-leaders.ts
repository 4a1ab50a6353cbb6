// Two leaders: a node asks the others for their votes after a random time and leads if a majority
// votes for it. Wrong: a majority of the nodes that answer, so that each side of a partition elects
// a leader. Right: a majority of all nodes.
import type { Operation, Socket } from 'coronet';
import { all, allSettled, connect, sleep, tcpServer, timeout } from 'coronet';
import type { Scenario, World } from 'coronet/sim';
import { SimulationError, simulate } from 'coronet/sim';

const NAMES = ['a', 'b', 'c'];

class Node {
  readonly name: string;
  leads = false;
  readonly #needsMajority: boolean;
  /** The name of the node that it has voted for. */
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

  /** Asks for votes after `ms`, unless it has voted for another node by then. */
  *#stand(ms: number): Operation<void> {
    yield* sleep(ms);
    if (this.#vote !== '') return;
    this.#vote = this.name;
    const others = NAMES.filter((name) => name !== this.name);
    const answers = yield* allSettled(others.map((name) => () => timeout(200, this.#ask(name))));
    const received = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? answer.value : [],
    );
    const votes = 1 + received.filter((vote) => vote === 'yes').length;
    const voters = this.#needsMajority ? NAMES.length : 1 + received.length;
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
    world.always('at most one node leads', () => leaders() <= 1);
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
// found: InvariantError: always 'at most one node leads' does not hold
// fixed: 1000 runs
