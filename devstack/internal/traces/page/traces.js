// The page of traces: a list that follows the server's events, and one trace.
'use strict';

const pageSize = 100;

let limit = pageSize;
let traces = [];       // summaries, the newest first
let total = 0;
let loaded = false;    // the list has come once
let chosen = '';       // the id of the trace that is shown
let shown = null;      // that trace, as it was last drawn
let open = new Set();  // the ids of the spans that are open

async function refresh() {
  const query = new URLSearchParams({ limit, search: element('search').value.trim(), placed: element('placed').checked });
  const fresh = await get(`/api/traces?${query}`);
  traces = fresh.traces;
  total = fresh.total;
  loaded = true;
  showList();
  await refreshTrace();
}

// refreshTrace draws the chosen trace again if it has grown: a mail may come long after the answer.
async function refreshTrace() {
  if (!shown) return;
  const id = chosen;
  const trace = await get(`/api/traces/${id}`).catch(() => null);
  if (trace && id === chosen && trace.spanCount !== shown.spanCount) draw(trace);
}

const titleOf = (trace) => trace.order || trace.name;

function statusOf(trace) {
  if (!trace.order) return [];
  return [text('span', `status ${trace.status.toLowerCase()}`, trace.status || 'open')];
}

const errorsOf = (trace) => (trace.errors === 1 ? '1 error' : `${trace.errors} errors`);

function listItem(trace) {
  const button = document.createElement('button');
  button.type = 'button';
  button.dataset.trace = trace.traceId;
  const about = text('span', 'about', '');
  about.append(...statusOf(trace), text('span', '', duration(trace.answerMs)));
  if (trace.errors > 0) about.append(text('span', 'wrong', errorsOf(trace)));
  const dots = text('span', 'dots', '');
  dots.append(...trace.services.map(dot));
  about.append(dots);
  button.append(text('span', 'order', titleOf(trace)), timeOf(trace.start), about);
  button.setAttribute('aria-current', String(trace.traceId === chosen));
  button.addEventListener('click', () => { location.hash = trace.traceId; });
  const item = document.createElement('li');
  item.append(button);
  return item;
}

function emptyText() {
  if (element('search').value.trim()) return 'No trace has this order number or id.';
  return element('placed').checked ? 'No order yet. Place one, and its trace appears here.' : 'No trace yet. Send a request, and it appears here.';
}

function showList() {
  if (!loaded) return; // it is not known yet whether there is nothing
  const focused = document.activeElement?.dataset?.trace;
  element('traces').replaceChildren(...traces.map(listItem));
  if (focused) document.querySelector(`#traces [data-trace="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  const noun = element('placed').checked ? 'order' : 'trace';
  element('count').textContent = `${total.toLocaleString()} ${noun}${total === 1 ? '' : 's'}`;
  element('empty').textContent = emptyText();
  element('empty').hidden = traces.length > 0;
  element('more').hidden = traces.length >= total;
}

function draw(trace) {
  shown = trace;
  element('title').replaceChildren(titleOf(trace), ' ', ...statusOf(trace));
  element('fields').replaceChildren(
    ...field('Request', trace.order ? `${trace.name} (${trace.service})` : trace.service),
    ...field('Started', new Date(trace.start).toLocaleString()),
    ...field('Answered in', duration(trace.answerMs)),
    ...field('Ended after', duration(trace.durationMs)),
    ...field('Errors', trace.errors > 0 ? errorsOf(trace) : ''),
    ...field('Trace id', trace.traceId),
    ...field('Not shown', trace.truncated ? 'spans beyond the number that is kept of one trace' : ''));
  drawTimeline(trace, open);
  document.title = `${titleOf(trace)} · Traces · Steadfast`;
}

async function showTrace(id) {
  chosen = id;
  open = new Set();
  const trace = id ? await get(`/api/traces/${encodeURIComponent(id)}`).catch(() => null) : null;
  if (chosen !== id) return; // another one was chosen meanwhile
  document.body.classList.toggle('reading', trace !== null);
  element('trace').hidden = trace === null;
  element('hint').hidden = trace !== null;
  element('hint').textContent = id && !trace ? 'This trace is not here: it was never sent, or newer ones have pushed it out.' : 'Choose a trace to see its timeline.';
  shown = null;
  document.title = 'Traces · Steadfast';
  showList();
  if (trace === null) return;
  draw(trace);
  element('trace').focus({ preventScroll: true });
}

const showChosen = () => showTrace(location.hash.slice(1));
window.addEventListener('hashchange', showChosen);
element('timeline').addEventListener('keydown', moveFocus);
element('back').addEventListener('click', () => { location.hash = ''; });

const update = follow(refresh);
for (const [id, event] of [['search', 'input'], ['placed', 'change']]) {
  element(id).addEventListener(event, () => { limit = pageSize; update(); });
}
element('more').addEventListener('click', () => { limit = Math.min(limit + pageSize, 1000); update(); });
showChosen();
