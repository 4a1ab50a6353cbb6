// The simulated scenarios. Every scenario checks its result.

const ROUND_TRIPS = 10;

function same(got, expected) {
  if (got !== expected) throw new Error(`Expected ${expected}, got ${got}`);
}

/** The scenarios for one build of Coronet, `name` → (size) → scenario. `coronet` is its module. */
export function scenariosOf({ connect, group, listen, sleep }) {
  function* echo(socket) {
    try {
      for (;;) {
        const data = yield* socket.recv();
        if (data.length === 0) return;
        yield* socket.sendAll(data);
      }
    } finally {
      socket.close();
    }
  }

  function* server(connections) {
    const listener = yield* listen(7);
    try {
      yield* group(function* (tasks) {
        for (let i = 0; i < connections; i++) {
          const socket = yield* listener.accept();
          tasks.spawn(() => echo(socket));
        }
      });
    } finally {
      listener.close();
    }
  }

  function* ask(address, times) {
    const socket = yield* connect(address);
    try {
      for (let i = 0; i < times; i++) {
        yield* socket.sendAll('ping');
        let got = 0;
        while (got < 4) got += (yield* socket.recv()).length;
        same(got, 4);
      }
    } finally {
      socket.close();
    }
  }

  return {
    /** Two hosts: connect, ten requests and responses, close. */
    ping: () =>
      function* (world) {
        world.host('server', () => server(1));
        yield* ask('10.0.0.2:7', ROUND_TRIPS);
      },

    /** Four hosts with eight connections each send many requests to a server in one long run. */
    long: (times) =>
      function* (world) {
        world.host('server', () => server(32));
        let asking = 4;
        for (let i = 0; i < 4; i++) {
          world.host(`client${i}`, function* () {
            yield* group(function* (tasks) {
              for (let j = 0; j < 8; j++) tasks.spawn(() => ask('server:7', times));
            });
            asking--;
          });
        }
        while (asking > 0) yield* sleep(100);
      },
  };
}
