/** The live page's script, part 4: connections, servers, listeners, locks, channels. */
export const PANEL_SCRIPT: string = String.raw`
/** A table with a heading in a card, which is hidden while it has no rows. */
class Panel {
  constructor(parent, title, columns) {
    this.columns = columns;
    this.note = element('p', 'note');
    this.extra = element('div', '');
    const heading = element('h2', '', title);
    heading.id = 'panel-' + title.toLowerCase().replace(/ /g, '-');
    const names = columns.map(({ name, isNumber }) => {
      const cell = element('th', isNumber ? 'number' : '', name);
      cell.scope = 'col';
      return cell;
    });
    this.body = element('tbody', '');
    const head = element('thead', '', element('tr', '', ...names));
    const table = element('table', '', head, this.body);
    const top = element('div', 'heading', heading, this.note);
    this.element = element('section', 'card', top, this.extra, table);
    this.element.setAttribute('aria-labelledby', heading.id);
    table.setAttribute('aria-labelledby', heading.id);
    this.element.hidden = true;
    parent.append(this.element);
  }

  /** Shows rows of texts, one for each column; a node is taken as it is. */
  update(rows, note = '') {
    this.element.hidden = rows.length === 0;
    setText(this.note, note);
    while (this.body.rows.length > rows.length) this.body.lastChild.remove();
    rows.forEach((texts, index) => {
      const row = this.body.rows[index] ?? this.#makeRow();
      texts.forEach((text, column) => {
        const cell = row.cells[column];
        if (text instanceof Node) cell.replaceChildren(text);
        else setText(cell, String(text));
      });
    });
  }

  #makeRow() {
    const cells = this.columns.map(({ isNumber, isCode }) => {
      return element('td', isNumber ? 'number' : isCode ? 'text mono' : 'text');
    });
    return this.body.appendChild(element('tr', '', ...cells));
  }
}

const code = (name) => ({ name, isCode: true });
const text = (name) => ({ name });
const number = (name) => ({ name, isNumber: true });

/** A number that may be unknown. */
function optional(value) {
  return value === undefined || value === null ? '–' : countText(value);
}

/** '#7' or '#7 writer' for "task 7 'writer'". A handler has the name of its connection. */
function shortTitle(title, address) {
  const [, id, name] = /^task (\d+) '(.*)'$/.exec(title) ?? [];
  if (id === undefined) return title;
  return name === address ? '#' + id : '#' + id + ' ' + name;
}

function rateText(value, scale) {
  return value === undefined ? '–' : unitText(scale(value));
}

/** The panels next to the tree and below it. */
class Panels {
  constructor(parent, resources) {
    this.connections = new Panel(parent, 'Connections', [text('State'), number('Number')]);
    this.bar = element('div', 'bar');
    this.bar.setAttribute('aria-hidden', 'true');
    this.connections.extra.append(this.bar);
    this.servers = new Panel(parent, 'Servers', [
      code('Server'), number('Open'), number('New/s'), number('In/s'), number('Out/s'),
    ]);
    this.ended = new Panel(parent, 'Ended connections', [code('Reason'), number('Number')]);
    this.listeners = new Panel(resources, 'Listeners', [
      code('Address'), number('In queue'), number('Reset'),
    ]);
    this.waits = new Panel(resources, 'Longest socket waits', [
      code('Socket'), code('Task'), number('Since'),
    ]);
    this.locks = new Panel(resources, 'Locks', [code('Lock'), code('Held by'), number('Waiters')]);
    this.channels = new Panel(resources, 'Channels', [
      code('Channel'), number('Filled'), number('Senders'), number('Receivers'),
    ]);
    this.slowest = new Panel(resources, 'Slowest tasks', [code('Task'), number('Run time')]);
  }

  /** 'rates' has, for each server, its changes per second. */
  update({ tree: { resources }, servers, slowest }, rates) {
    const { sockets, listeners, locks, channels, omitted } = resources;
    this.#updateConnections(sockets, servers);
    this.servers.update(servers.map(({ name, open }, index) => {
      const { accepted, received, sent } = rates[index];
      return [
        name, optional(open), rateText(accepted, scaledCount),
        rateText(received, scaledBytes), rateText(sent, scaledBytes),
      ];
    }));
    this.ended.update(totalsOf(servers, 'closed').map(([name, value]) => [name, countText(value)]));
    const more = omitted > 0 ? countText(omitted) + ' more are not shown' : '';
    this.listeners.update(listeners.map(({ address, queued, overflowed }) => {
      return [address, optional(queued), optional(overflowed)];
    }), listeners.length > 0 ? more : '');
    this.waits.update(sockets.longest.slice(0, 5).map(({ direction, address, task, waitingMs }) => {
      return [direction + ' ' + address, shortTitle(task, address), durationText(waitingMs)];
    }));
    this.locks.update(locks.map(({ name, holders, waiters }) => {
      return [name, holders.length === 0 ? 'free' : holders.join(', '), countText(waiters)];
    }));
    this.channels.update(channels.map(({ name, size, capacity, senders, receivers }) => {
      const filled = countText(size) + (capacity === null ? '' : ' of ' + countText(capacity));
      return [name, filled, countText(senders), countText(receivers)];
    }));
    this.slowest.update(slowest.map(({ id, name, runMs }) => {
      return [name + ' #' + id, unitText(scaledMs(runMs))];
    }));
  }

  #updateConnections({ connections, datagrams, receiving, sending }, servers) {
    const handshakes = [...totalsOf(servers, 'handshakes'), ...totalsOf(servers, 'proxyHeaders')];
    const inHandshake = handshakes.reduce((sum, [name, value]) => {
      return name === 'pending' || name === 'waiting' ? sum + value : sum;
    }, 0);
    const sockets = connections + datagrams;
    const states = [
      ['wait to receive', receiving],
      ['wait to send', sending],
      ['in a handshake', inHandshake],
      ['no task waits', Math.max(0, sockets - receiving - sending - inHandshake)],
    ];
    this.connections.update(
      sockets === 0 ? [] : states.map(([name, value], index) => {
        return [element('span', '', element('i', 'swatch c' + index), name), countText(value)];
      }),
      countText(sockets) + ' open' + (datagrams > 0 ? ', ' + countText(datagrams) + ' UDP' : ''),
    );
    this.bar.replaceChildren(...states.flatMap(([, value], index) => {
      if (value === 0) return [];
      const part = element('i', 'c' + index);
      part.style.flexGrow = value;
      return [part];
    }));
  }
}

/** The sums of the numbers in a record of all servers, which workers report as 'closed.handler'. */
function totalsOf(servers, record) {
  const totals = new Map();
  const add = (name, value) => {
    if (typeof value === 'number' && value > 0) totals.set(name, (totals.get(name) ?? 0) + value);
  };
  for (const server of servers) {
    for (const [name, value] of Object.entries(server[record] ?? {})) add(name, value);
    for (const [name, value] of Object.entries(server)) {
      if (name.startsWith(record + '.')) add(name.slice(record.length + 1), value);
    }
  }
  return [...totals].sort(([, a], [, b]) => b - a);
}
`;
