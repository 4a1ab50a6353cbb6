/** The live page's script, part 5: reads /tasks and passes it to the parts of the page. */
export const MAIN_SCRIPT: string = String.raw`
const INTERVAL_MS = 1000;
/** From this time on without an answer, the page reports it. */
const LATE_MS = 2000;

const charts = new Charts(byId('charts'), [
  new Chart({
    title: 'Traffic', names: ['in', 'out'], unit: scaledBytes, suffix: '/s', least: 1000,
  }),
  new Chart({ title: 'Open connections', least: 10 }),
  new Chart({ title: 'Tasks', least: 10 }),
  new Chart({ title: 'Steps', suffix: '/s', least: 10 }),
  new Chart({ title: 'Run queue', least: 10 }),
  new Chart({ title: 'Event-loop lag', unit: scaledMs, least: 10 }),
  new Chart({ title: 'CPU', unit: scaledPercent, least: 90 }),
  new Chart({ title: 'Memory', unit: scaledBytes, names: ['resident', 'heap'], least: 10_000_000 }),
]);
const tree = new Tree(byId('tree-rows'), byId('tree-empty'), () => refresh());
const panels = new Panels(byId('panels'), byId('resources'));

/** The last snapshot, the time at which its request was sent, and whether the user paused. */
const state = { last: null, sentAt: 0, isWaiting: false, isPaused: false };

/** Changes per second between two snapshots; null where there is no earlier one. */
function rateOf(snapshot, earlier, read) {
  if (earlier === null) return null;
  const seconds = (snapshot.tree.atMs - earlier.tree.atMs) / 1000;
  return seconds > 0 ? Math.max(0, read(snapshot) - read(earlier)) / seconds : null;
}

function total(name) {
  return ({ servers }) => servers.reduce((sum, server) => sum + (server[name] ?? 0), 0);
}

/** The values of the charts, in their order. */
function chartValues(snapshot, earlier) {
  const { tree: { stats }, loop, memory } = snapshot;
  const rate = (read) => rateOf(snapshot, earlier, read);
  const cpu = rate(({ cpu: { userMs, systemMs } }) => userMs + systemMs);
  return [
    [rate(total('bytesReceived')), rate(total('bytesSent'))],
    [snapshot.network.transports],
    [stats.tasks],
    [rate((each) => each.tree.stats.steps)],
    [stats.ready],
    [loop.lagMs],
    [cpu === null ? null : cpu / 10],
    [memory.rss, memory.heapUsed],
  ];
}

function serverRates(snapshot, earlier) {
  return snapshot.servers.map(({ name }) => {
    const find = ({ servers }) => servers.find((server) => server.name === name);
    if (earlier === null || find(earlier) === undefined) return {};
    const rate = (key) => rateOf(snapshot, earlier, (each) => find(each)[key] ?? 0) ?? undefined;
    return {
      accepted: rate('accepted'), received: rate('bytesReceived'), sent: rate('bytesSent'),
    };
  });
}

function showIdentity({ title, pid, node, coronet, uptimeMs }) {
  document.title = title + ' · Coronet';
  setText(byId('title'), title === '' ? 'Coronet' : title);
  const versions = ['Node ' + node.replace(/^v/, ''), 'Coronet ' + coronet];
  const facts = ['pid ' + pid, ...versions, 'up ' + durationText(uptimeMs)];
  setText(byId('facts'), facts.map((fact) => fact.replaceAll(' ', '\u00a0')).join(' · '));
}

function show(snapshot) {
  // Another process, or the same after a restart of its program.
  const isNew = state.last?.pid !== snapshot.pid || state.last.uptimeMs > snapshot.uptimeMs;
  const earlier = isNew ? null : state.last;
  // Requests share a snapshot if it takes long to make one.
  if (earlier?.tree.atMs === snapshot.tree.atMs) return;
  if (isNew) charts.clear();
  state.last = snapshot;
  showIdentity(snapshot);
  charts.add(snapshot.tree.atMs, chartValues(snapshot, earlier));
  tree.update(snapshot.tree.root);
  panels.update(snapshot, serverRates(snapshot, earlier));
  const { stats, omitted } = snapshot.tree;
  const longest = unitText(scaledMs(snapshot.loop.longestMs));
  const windowText = 'The last ' + Math.round(charts.windowMs / 1000) + ' s';
  setText(byId('load-note'), windowText + '. Longest turn of the event loop: ' + longest);
  const notes = [countText(stats.tasks) + (stats.tasks === 1 ? ' task' : ' tasks')];
  if (omitted > 0) notes.push(countText(omitted) + ' not shown');
  setText(byId('tasks-note'), notes.join(', '));
}

function setStatus(name, text) {
  byId('status').parentElement.dataset.state = name;
  setText(byId('status'), text);
}

async function refresh() {
  if (state.isWaiting || state.isPaused || document.hidden) return;
  state.isWaiting = true;
  state.sentAt = performance.now();
  try {
    const ids = [...tree.separated].join();
    const response = await fetch(ids === '' ? 'tasks' : 'tasks?expand=' + ids, {
      cache: 'no-store', credentials: 'omit',
    });
    if (!response.ok) throw new Error('HTTP status ' + response.status);
    show(await response.json());
    if (!state.isPaused) setStatus('live', 'Live');
  } catch (error) {
    if (!state.isPaused) setStatus('lost', 'Not connected');
    byId('status').title = String(error);
  } finally {
    state.isWaiting = false;
  }
}

/** An answer that is late means that the event loop of the program is held. */
function checkAnswer() {
  const lateMs = performance.now() - state.sentAt;
  if (!state.isWaiting || state.isPaused || lateMs < LATE_MS) return;
  setStatus('waiting', 'No answer for ' + Math.round(lateMs / 1000) + ' s');
}

byId('pause').addEventListener('click', () => {
  state.isPaused = !state.isPaused;
  byId('pause').setAttribute('aria-pressed', String(state.isPaused));
  setText(byId('pause'), state.isPaused ? 'Continue' : 'Pause');
  if (state.isPaused) setStatus('paused', 'Paused');
  else refresh();
});
const filter = document.querySelector('input');
filter.addEventListener('input', () => tree.setFilter(filter.value));
byId('expand').addEventListener('click', () => tree.setAll(true));
byId('collapse').addEventListener('click', () => tree.setAll(false));
document.addEventListener('visibilitychange', refresh);
setInterval(() => {
  checkAnswer();
  refresh();
}, INTERVAL_MS);
refresh();
`;
