// The inbox page: a list that follows the server's events, and one mail.
'use strict';

const pageSize = 100;
const tabs = ['html', 'text', 'headers'];

let mails = [];       // summaries, the newest first
let total = 0;
let chosen = null;    // the id of the mail that is shown

async function refresh() {
  const fresh = await get(`/api/mails?limit=${pageSize}`);
  const oldest = fresh.mails.at(-1)?.id ?? 0;
  // What was loaded before is kept only if nothing is missing in between.
  const overlaps = fresh.mails.length === pageSize && mails.some((mail) => mail.id >= oldest);
  const older = overlaps ? mails.filter((mail) => mail.id < oldest) : [];
  mails = fresh.mails.concat(older);
  total = fresh.total;
  showList();
}

async function showOlder() {
  const older = await get(`/api/mails?limit=${pageSize}&before=${mails.at(-1).id}`);
  mails = mails.concat(older.mails);
  showList();
}

function listItem(mail) {
  const button = document.createElement('button');
  button.type = 'button';
  button.append(text('span', 'to', (mail.to ?? []).join(', ')), timeOf(mail.receivedAt), text('span', 'subject', mail.subject || '(no subject)'));
  button.setAttribute('aria-current', String(mail.id === chosen));
  button.addEventListener('click', () => { location.hash = mail.id; });
  const item = document.createElement('li');
  item.append(button);
  return item;
}

function showList() {
  const wanted = element('search').value.trim().toLowerCase();
  const shown = mails.filter((mail) => `${(mail.to ?? []).join(' ')} ${mail.subject}`.toLowerCase().includes(wanted));
  element('mails').replaceChildren(...shown.map(listItem));
  element('count').textContent = total === 1 ? '1 mail' : `${total.toLocaleString()} mails`;
  element('empty').hidden = total > 0;
  element('more').hidden = mails.length >= total;
  document.title = `Inbox (${total}) · Steadfast`;
}

async function showMail(id) {
  chosen = id;
  const mail = id ? await get(`/api/mails/${id}`).catch(() => null) : null;
  if (chosen !== id) return; // another one was chosen meanwhile
  document.body.classList.toggle('reading', mail !== null);
  element('mail').hidden = mail === null;
  element('hint').hidden = mail !== null;
  showList();
  if (mail === null) return;
  element('subject').textContent = mail.subject || '(no subject)';
  element('fields').replaceChildren(
    ...field('From', mail.from), ...field('To', (mail.to ?? []).join(', ')),
    ...field('Received', new Date(mail.receivedAt).toLocaleString()),
    ...field('Message-ID', mail.messageId), ...field('Attached', mail.attachments.join(', ')));
  element('raw').href = `/api/mails/${id}/raw`;
  if (mail.html) element('view-html').src = `/api/mails/${id}/html`;
  element('view-text').textContent = mail.text;
  element('view-headers').textContent = mail.headers.map((header) => `${header.name}: ${header.value}`).join('\n');
  element('tab-html').disabled = !mail.html;
  element('tab-text').disabled = !mail.text;
  showTab(mail.html ? 'html' : 'text');
  element('mail').focus({ preventScroll: true });
}

function showTab(name) {
  for (const tab of tabs) {
    element(`tab-${tab}`).setAttribute('aria-selected', String(tab === name));
    element(`view-${tab}`).hidden = tab !== name;
  }
}

for (const tab of tabs) element(`tab-${tab}`).addEventListener('click', () => showTab(tab));
element('search').addEventListener('input', showList);
element('more').addEventListener('click', showOlder);
element('back').addEventListener('click', () => { location.hash = ''; });
element('clear').addEventListener('click', async () => {
  if (!confirm('Delete all mails?')) return;
  await fetch('/api/mails', { method: 'DELETE' });
  location.hash = '';
});

const showChosen = () => showMail(Number(location.hash.slice(1)) || null);
window.addEventListener('hashchange', showChosen);

follow(refresh);
showChosen();
