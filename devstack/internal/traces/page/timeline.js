// The timeline: a trace's spans as nested bars on one scale, each with what it says.
'use strict';

// The services in the order of their colours; any other has the last one.
const services = ['gateway', 'order-service', 'inventory-service', 'notification-service'];
const colourOf = (service) => `service-${services.includes(service) ? services.indexOf(service) : services.length}`;

const milliseconds = (moment) => Date.parse(moment);

function duration(ms) {
  if (ms >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 10) return `${ms.toFixed(0)} ms`;
  return ms >= 1 ? `${ms.toFixed(1)} ms` : `${(ms * 1000).toFixed(0)} µs`;
}

function dot(service) {
  const node = text('span', `dot ${colourOf(service)}`, '');
  node.title = service;
  return node;
}

// fraction reads what Date.parse cuts off: the part of a time below a millisecond, in milliseconds.
function fraction(moment) {
  const digits = /\.\d{3}(\d+)/.exec(moment);
  return digits ? Number(`0.${digits[1]}`) : 0;
}

// sinceStart is how long after the trace's start a moment is, in milliseconds.
const sinceStart = (trace, moment) => milliseconds(moment) - milliseconds(trace.start) + fraction(moment) - fraction(trace.start);

// nested returns the spans with their depths, each after its parent; siblings come by their start. One whose parent is not here stands at the top.
function nested(spans) {
  const known = new Set(spans.map((span) => span.id));
  const children = new Map();
  for (const span of spans) {
    const parent = known.has(span.parent) && span.parent !== span.id ? span.parent : '';
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const rows = [];
  const seen = new Set();
  const visit = (parent, depth) => {
    for (const span of children.get(parent) ?? []) {
      if (seen.has(span.id)) continue;
      seen.add(span.id);
      rows.push({ span, depth });
      visit(span.id, depth + 1);
    }
  };
  visit('', 0);
  return rows;
}

function barOf(trace, span) {
  const share = (ms) => `${trace.durationMs > 0 ? Math.min(100, (100 * ms) / trace.durationMs) : 0}%`;
  const track = text('span', 'track', '');
  const bar = text('span', 'bar', '');
  bar.style.left = `min(${share(sinceStart(trace, span.start))}, calc(100% - 3px))`;
  bar.style.width = share(span.durationMs);
  track.append(bar);
  for (const event of span.events ?? []) {
    const mark = text('span', 'mark', '');
    mark.style.left = share(sinceStart(trace, event.time));
    mark.title = event.name;
    track.append(mark);
  }
  return track;
}

const attributesOf = (attributes) => Object.entries(attributes ?? {}).sort(([a], [b]) => a.localeCompare(b));

function detailsOf(trace, span) {
  const list = document.createElement('dl');
  list.append(
    ...field('span', span.name), ...field('service', span.service), ...field('kind', span.kind),
    ...field('starts', `${duration(sinceStart(trace, span.start))} after the trace`), ...field('takes', duration(span.durationMs)),
    ...field('status', span.status === 'unset' ? '' : [span.status, span.message].filter(Boolean).join(': ')));
  for (const [name, value] of attributesOf(span.attributes)) list.append(...field(name, String(value)));
  for (const event of span.events ?? []) {
    const said = attributesOf(event.attributes).map(([name, value]) => `\n${name}: ${value}`).join('');
    list.append(...field(`event at ${duration(sinceStart(trace, event.time))}`, event.name + said));
  }
  for (const link of span.links ?? []) {
    const anchor = text('a', '', link.traceId === trace.traceId ? `span ${link.spanId}` : `trace ${link.traceId}`);
    anchor.href = `#${link.traceId}`;
    const value = document.createElement('dd');
    value.append(anchor);
    list.append(text('dt', '', 'has a part in it'), value);
  }
  list.append(...field('span id', span.id));
  const details = text('div', `details ${colourOf(span.service)}`, '');
  details.append(list);
  return details;
}

// rowOf returns a span's row, which opens and closes what the span says; open has the ids of those that are open.
function rowOf(trace, { span, depth }, open) {
  const failed = span.status === 'error';
  const button = text('button', `row ${colourOf(span.service)}${failed ? ' failed' : ''}`, '');
  button.type = 'button';
  button.dataset.span = span.id;
  const label = text('span', 'label', '');
  label.style.paddingLeft = `${Math.min(depth, 12) * 0.8}rem`;
  const name = text('span', 'name', span.name);
  name.title = `${span.service}: ${span.name}`;
  label.append(dot(span.service), name);
  const tryNumber = span.attributes?.['steadfast.gateway.try'];
  if (tryNumber) label.append(text('span', 'status', `try ${tryNumber}`));
  if (failed) label.append(text('span', 'wrong', 'error'));
  button.append(label, barOf(trace, span), text('span', 'took', duration(span.durationMs)));
  const item = document.createElement('li');
  const show = () => {
    button.setAttribute('aria-expanded', String(open.has(span.id)));
    item.replaceChildren(button, ...(open.has(span.id) ? [detailsOf(trace, span)] : []));
  };
  button.addEventListener('click', () => {
    if (!open.delete(span.id)) open.add(span.id);
    show();
    button.focus();
  });
  show();
  return item;
}

function axisOf(trace) {
  const ticks = text('span', 'ticks', '');
  for (const share of [0, 0.5, 1]) ticks.append(text('span', '', share === 0 ? '0' : duration(share * trace.durationMs)));
  return ticks;
}

// moveFocus takes the focus to the row above or below.
function moveFocus(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const rows = [...document.querySelectorAll('#timeline .row')];
  const next = rows[rows.indexOf(document.activeElement) + step];
  if (!step || !next || !rows.includes(document.activeElement)) return;
  event.preventDefault();
  next.focus();
}

// drawTimeline shows the trace; the row that has the focus keeps it.
function drawTimeline(trace, open) {
  const focused = document.activeElement?.dataset?.span;
  element('legend').replaceChildren(...trace.services.map((service) => {
    const item = document.createElement('li');
    item.append(dot(service), service);
    return item;
  }));
  element('axis').replaceChildren(axisOf(trace));
  element('timeline').replaceChildren(...nested(trace.spans).map((row) => rowOf(trace, row, open)));
  if (focused) document.querySelector(`#timeline [data-span="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}
