/** The elements of the live page that its script fills. */
export const PAGE_MARKUP: string = `
<a class="skip" href="#tasks-heading">Skip to the tasks</a>
<header class="top">
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
    <circle cx="16" cy="16" r="9"/><circle class="corona" cx="16" cy="16" r="13"/>
  </svg>
  <div class="identity">
    <h1 id="title">Coronet</h1>
    <p id="facts"></p>
  </div>
  <div class="controls">
    <p class="status" data-state="waiting"><i class="dot"></i><span id="status" role="status"
      >Connecting</span></p>
    <button id="pause" type="button" aria-pressed="false">Pause</button>
  </div>
</header>
<noscript><p class="notice">This page needs JavaScript. The data is at /tasks.</p></noscript>
<main>
  <section aria-labelledby="load-heading">
    <div class="heading">
      <h2 id="load-heading">Load</h2><p id="load-note" class="note"></p>
    </div>
    <div id="charts" class="charts"></div>
  </section>
  <div class="columns">
    <div class="stack">
      <section class="card" aria-labelledby="tasks-heading">
        <div class="heading">
          <h2 id="tasks-heading" tabindex="-1">Tasks</h2><p id="tasks-note" class="note"></p>
          <div class="tools">
            <input id="filter" type="search" placeholder="Filter" aria-label="Filter tasks"
              autocomplete="off" spellcheck="false">
            <button id="expand" type="button">Expand all</button>
            <button id="collapse" type="button">Collapse all</button>
          </div>
        </div>
        <table id="tree" class="tree" role="treegrid" aria-labelledby="tasks-heading">
          <thead role="rowgroup">
            <tr role="row">
              <th role="columnheader" scope="col">Task</th>
              <th role="columnheader" scope="col">Waits for</th>
              <th role="columnheader" scope="col" class="number">Since</th>
            </tr>
          </thead>
          <tbody id="tree-rows" role="rowgroup"></tbody>
        </table>
        <p id="tree-empty" class="empty" hidden></p>
      </section>
      <div id="resources" class="resources"></div>
    </div>
    <div id="panels" class="stack"></div>
  </div>
</main>
`;
