// What the pages have in common: they follow the server's events, and build their elements without markup.
'use strict';

const element = (id) => document.getElementById(id);

async function get(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

function text(tag, className, content) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = content;
  return node;
}

function timeOf(moment) {
  const when = new Date(moment);
  const time = text('time', '', when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  time.dateTime = moment;
  time.title = when.toLocaleString();
  return time;
}

function field(name, value) {
  return value ? [text('dt', '', name), text('dd', '', value)] : [];
}

// follow calls refresh now and at each change that the server announces; changes that come meanwhile are answered by one more call. It returns the function that asks for one.
function follow(refresh) {
  let running = false;
  let again = false;
  const run = async () => {
    again = running;
    if (running) return;
    running = true;
    try {
      await refresh();
    } catch {
      element('live').classList.add('lost'); // the event stream reconnects, and refreshes then
    } finally {
      running = false;
      if (again) run();
    }
  };
  const events = new EventSource('/api/events');
  events.addEventListener('open', () => element('live').classList.remove('lost'));
  events.addEventListener('error', () => element('live').classList.add('lost'));
  events.addEventListener('message', run);
  return run;
}
