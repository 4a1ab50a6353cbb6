/** The live page's script, part 3: the tree of tasks, as a table that can be expanded. */
export const TREE_SCRIPT: string = `
/** Tasks with more children than this begin collapsed; in a tree of many rows, with more than 5. */
const MAX_EXPANDED = 30;
const MAX_EXPANDED_OF_MANY = 5;
const MANY_ROWS = 120;
/** The most tasks whose children are shown one by one. */
const MAX_SEPARATED = 50;

/** The row that stands for the children that are not in the snapshot. */
function hiddenChildren({ hidden, children }) {
  const name = countText(hidden) + (children.length > 0 ? ' more' : '') + ' not shown';
  return { name, count: 0, state: '', waitingOn: '', children: [] };
}

/** The number of nodes of a tree, which has a bounded depth. */
function sizeOf({ children }) {
  return children.reduce((sum, child) => sum + sizeOf(child), 1);
}

/** Where a task was spawned and where it waits, which debug mode records. */
function sourceText({ spawnedAt, suspendedAt }) {
  return [
    ...(suspendedAt === undefined ? [] : ['at ' + suspendedAt]),
    ...(spawnedAt === undefined ? [] : ['spawned at ' + spawnedAt]),
  ].join(', ');
}

/**
 * The tree. A row is kept while its task is shown, so that focus and selections survive an update.
 * The key of a task is its id; that of a group is its name and wait, which its number does not
 * change.
 */
class Tree {
  /** 'onSeparate' is called when 'separated' has changed. */
  constructor(body, empty, onSeparate) {
    this.body = body;
    this.empty = empty;
    /** Ids of tasks whose children are shown one by one. */
    this.separated = new Set();
    this.onSeparate = onSeparate;
    this.rows = new Map();
    /** Keys of rows that the user has expanded or collapsed. */
    this.chosen = new Map();
    this.filter = '';
    this.root = null;
    this.maxExpanded = MAX_EXPANDED;
    body.addEventListener('keydown', (event) => this.#onKey(event));
    body.addEventListener('click', (event) => {
      const row = event.target.closest('tr');
      if (row === null) return;
      if (event.target.closest('.twist') !== null) this.#toggle(row);
      if (event.target === row.parts.count) this.#separate(this.rows.get(row.parentKey));
      if (event.target === row.parts.merge) this.#merge(row);
    });
    body.addEventListener('dblclick', (event) => this.#toggle(event.target.closest('tr')));
  }

  update(root) {
    this.root = root;
    const isLarge = root !== null && sizeOf(root) > MANY_ROWS;
    this.maxExpanded = isLarge ? MAX_EXPANDED_OF_MANY : MAX_EXPANDED;
    this.draw();
  }

  setFilter(text) {
    this.filter = text.trim().toLowerCase();
    this.draw();
  }

  /** Expands or collapses all rows but the first. */
  setAll(isExpanded) {
    this.chosen.clear();
    const visit = (node, key) => {
      this.#forEachChild(node, key, (child, childKey) => {
        if (child.children.length > 0) this.chosen.set(childKey, isExpanded);
        visit(child, childKey);
      });
    };
    if (this.root !== null) visit(this.root, 'root');
    this.chosen.set('root', true);
    this.draw();
  }

  draw() {
    const shown = [];
    const first = { node: this.root, key: 'root', level: 1, parentKey: '' };
    if (this.root !== null) this.#collect(first, shown);
    const keys = new Set(shown.map(({ key }) => key));
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      row.remove();
      this.rows.delete(key);
    }
    for (const key of this.chosen.keys()) if (!keys.has(key)) this.#forget(key);
    let next = this.body.firstChild;
    for (const entry of shown) {
      const row = this.#rowOf(entry);
      if (row === next) next = next.nextSibling;
      else this.body.insertBefore(row, next);
    }
    if (this.body.querySelector('[tabindex="0"]') === null && this.body.firstChild !== null) {
      this.body.firstChild.tabIndex = 0;
    }
    const reason = this.root === null ? 'No program runs.' : 'No task matches the filter.';
    setText(this.empty, reason);
    this.empty.hidden = shown.length > 0;
  }

  /** A choice is remembered for some rows that are gone, because they may appear again. */
  #forget(key) {
    if (this.chosen.size > 2000) this.chosen.delete(key);
  }

  #forEachChild(node, key, visit) {
    const seen = new Map();
    for (const child of node.children) {
      const { count, id, name, waitingOn, state } = child;
      const own = count > 1 ? [name, waitingOn, state].join('|') : '#' + id;
      const number = (seen.get(own) ?? 0) + 1;
      seen.set(own, number);
      visit(child, key + '/' + own + (number === 1 ? '' : '|' + number));
    }
  }

  /** Appends the rows of a node and of its descendants. Returns whether the node is shown. */
  #collect({ node, key, level, parentKey }, shown) {
    const isExpanded = this.#isExpanded(node, key);
    const at = shown.push({ node, key, level, parentKey, isExpanded });
    let isShown = this.filter === '' || this.#matches(node);
    if (isExpanded) {
      this.#forEachChild(node, key, (child, childKey) => {
        const entry = { node: child, key: childKey, level: level + 1, parentKey: key };
        if (this.#collect(entry, shown)) isShown = true;
      });
      if (node.hidden > 0 && this.filter === '') {
        const rest = hiddenChildren(node);
        shown.push({ node: rest, key: key + '/…', level: level + 1, parentKey: key });
      }
    }
    if (!isShown) shown.length = at - 1;
    return isShown;
  }

  #isExpanded({ children }, key) {
    if (children.length === 0) return false;
    const isFew = key === 'root' || children.length <= this.maxExpanded;
    return this.filter !== '' || (this.chosen.get(key) ?? isFew);
  }

  #matches({ name, waitingOn, state }) {
    return [name, waitingOn ?? '', state].some((text) => text.toLowerCase().includes(this.filter));
  }

  #rowOf({ node, key, level, parentKey, isExpanded }) {
    const row = this.rows.get(key) ?? this.#makeRow(key, parentKey);
    const { indent, count, name, id, merge, source, waits, since } = row.parts;
    row.task = node;
    row.setAttribute('aria-level', level);
    if (node.children.length > 0) row.setAttribute('aria-expanded', isExpanded);
    else row.removeAttribute('aria-expanded');
    row.style.setProperty('--level', level - 1);
    indent.hidden = level === 1;
    count.hidden = node.count <= 1;
    count.disabled = level === 1;
    merge.hidden = !this.separated.has(node.id);
    setText(count, countText(node.count) + ' ×');
    setText(name, node.name);
    setText(id, node.count === 1 ? '#' + node.id : '');
    setText(source, sourceText(node));
    const isWaiting = node.waitingOn !== '';
    setText(waits, isWaiting ? node.waitingOn : node.state);
    waits.className = 'waits ' + (isWaiting ? '' : node.state);
    setText(since, isWaiting ? durationText(node.waitingMs) : '');
    since.title = node.count > 1 ? 'The longest of these waits' : '';
    return row;
  }

  #makeRow(key, parentKey) {
    const parts = {
      indent: element('span', 'indent'),
      count: element('button', 'count'),
      name: element('span', 'name'),
      id: element('span', 'id'),
      merge: element('button', 'merge', 'Group'),
      source: element('span', 'source'),
      waits: element('td', 'waits'),
      since: element('td', 'number'),
    };
    parts.count.title = 'Show each of these tasks';
    parts.merge.title = 'Show similar tasks as one';
    const label = element('span', '', parts.name, parts.id, parts.merge, parts.source);
    const twist = svgElement('svg', { class: 'twist', viewBox: '0 0 16 16' });
    twist.append(svgElement('path', { d: 'M6 4l5 4-5 4z' }));
    const task = element('div', 'task', parts.indent, twist, parts.count, label);
    const row = element('tr', '', element('td', '', task), parts.waits, parts.since);
    row.setAttribute('role', 'row');
    for (const cell of row.cells) cell.setAttribute('role', 'gridcell');
    row.tabIndex = -1;
    Object.assign(row, { parts, key, parentKey });
    this.rows.set(key, row);
    return row;
  }

  #toggle(row) {
    if (row === null || !row.hasAttribute('aria-expanded')) return;
    this.chosen.set(row.key, row.getAttribute('aria-expanded') !== 'true');
    this.draw();
    this.#focus(row);
  }

  /** Shows the children of the row's task one by one. */
  #separate(row) {
    if (row === undefined || this.separated.size >= MAX_SEPARATED) return;
    this.separated.add(row.task.id);
    this.chosen.set(row.key, true);
    this.onSeparate();
  }

  #merge(row) {
    this.separated.delete(row.task.id);
    this.onSeparate();
  }

  #focus(row) {
    if (row === null || row === undefined) return;
    for (const other of this.body.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }

  /** The keys of a treegrid (ARIA Authoring Practices). */
  #onKey(event) {
    const row = event.target.closest('tr');
    const isShortcut = event.altKey || event.ctrlKey || event.metaKey;
    if (row === null || event.target !== row || isShortcut) return;
    const expanded = row.getAttribute('aria-expanded');
    const actions = {
      ArrowDown: () => this.#focus(row.nextElementSibling),
      ArrowUp: () => this.#focus(row.previousElementSibling),
      Home: () => this.#focus(this.body.firstElementChild),
      End: () => this.#focus(this.body.lastElementChild),
      ArrowRight: () => (expanded === 'false' ? this.#toggle(row) : this.#focusChild(row)),
      ArrowLeft: () => {
        return expanded === 'true' ? this.#toggle(row) : this.#focus(this.rows.get(row.parentKey));
      },
      Enter: () => this.#activate(row),
      ' ': () => this.#activate(row),
    };
    const action = actions[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  }

  #activate(row) {
    if (row.hasAttribute('aria-expanded')) this.#toggle(row);
    else if (row.task.count > 1) this.#separate(this.rows.get(row.parentKey));
  }

  #focusChild(row) {
    if (row.getAttribute('aria-expanded') === 'true') this.#focus(row.nextElementSibling);
  }
}
`;
