// Starts the page: signs in, shows the view that the address names, and keeps what is around it.
import { Trouble, get, signedOut } from './api.js';
import { element, refill, say } from './elements.js';
import { keepAges } from './format.js';
import { followJobs, onConnection, onJob } from './live.js';
import { button, loading, showTrouble } from './parts.js';
import { forget, is, may, token, user } from './session.js';
import { signIn } from './views/sign-in.js';
import * as audit from './views/audit.js';
import * as backup from './views/backup.js';
import * as backups from './views/backups.js';
import * as files from './views/files.js';
import * as health from './views/health.js';
import * as job from './views/job.js';
import * as jobs from './views/jobs.js';
import * as overview from './views/overview.js';
import * as plugins from './views/plugins.js';
import * as restore from './views/restore.js';
import * as schedules from './views/schedules.js';

// In the order of the menu; roles where not everybody may.
const VIEWS = [
  { path: 'overview', title: 'Overview', show: overview.show },
  { path: 'jobs', title: 'Jobs', show: jobs.show, one: job.show },
  { path: 'backups', title: 'Backups', show: backups.show, one: backup.show, below: { files: files.show } },
  { path: 'restore', title: 'Restore', show: restore.show, one: restore.show, roles: ['restorer'] },
  { path: 'health', title: 'Health', show: health.show },
  { path: 'schedules', title: 'Schedules', show: schedules.show },
  { path: 'plugins', title: 'Plugins', show: plugins.show },
  { path: 'audit', title: 'Audit', show: audit.show, roles: ['auditor'] },
];

const content = document.getElementById('content');
const side = document.getElementById('side');
const menu = document.getElementById('menu');
let leaving = new AbortController();
let session = new AbortController();

/** The parts of an address like `#/backups/ID/files?path=a`. */
function route() {
  const [path, fields = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, id, below] = path.split('/').map(decodeURIComponent);
  return { name: name || 'overview', id, below, query: new URLSearchParams(fields) };
}

async function render() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  if (!user()) return;
  openMenu(false);
  const to = route();
  const view = VIEWS.find(({ path }) => path === to.name) ?? VIEWS[0];
  const show = !to.id ? view.show : to.below ? view.below?.[to.below] ?? view.one : view.one ?? view.show;
  for (const link of document.querySelectorAll('#views a')) {
    link.toggleAttribute('aria-current', false);
    if (link.dataset.view === view.path) link.setAttribute('aria-current', 'page');
  }
  const place = element('div', { class: 'view' });
  const isAllowed = !view.roles || may(...view.roles);
  refill(content, loading());
  try {
    if (!isAllowed) throw new Trouble({ detail: 'Your roles do not allow this.', hint: `It needs the role ${view.roles.join(' or ')}.` });
    await show(place, to, signal);
  } catch (error) {
    if (signal.aborted) return;
    place.append(element('h1', { tabindex: '-1' }, view.title), element('div', { class: 'trouble-place' }));
    showTrouble(error, place.lastChild);
  }
  if (signal.aborted) return;
  content.replaceChildren(place);
  window.scrollTo(0, 0);
  content.querySelector('h1')?.focus({ preventScroll: true });
}

function openMenu(isOpen) {
  menu.setAttribute('aria-expanded', String(isOpen));
  side.classList.toggle('open', isOpen);
}

function frame() {
  const links = VIEWS.filter(({ roles }) => !roles || may(...roles)).map(({ path, title }) => {
    const running = path === 'jobs' && element('span', { class: 'running', id: 'running', hidden: true });
    return element('li', {}, element('a', { href: `#/${path}`, 'data-view': path }, element('span', {}, title), running));
  });
  refill(document.getElementById('views'), links);
  const { name, roles } = user();
  refill(document.getElementById('who'),
    element('p', {}, 'Signed in as ', element('bdi', { class: 'name' }, name)),
    element('p', { class: 'hint' }, roles.join(', ')),
    element('p', { class: 'lost', id: 'lost', role: 'status' }),
    element('button', { type: 'button', onclick: () => leave('') }, 'Sign out'));
  [side.hidden, menu.hidden] = [false, false];
}

/** Keeps the number of running jobs in the menu, and says what ends. */
function keepRunning(signal) {
  const running = new Set();
  onJob(signal, (job) => {
    const goesOn = ['RUNNING', 'QUEUED'].includes(job.state);
    if (!goesOn && running.has(job.id)) say(`${job.kind} ended: ${job.state.toLowerCase()}`);
    running[goesOn ? 'add' : 'delete'](job.id);
    const shown = document.getElementById('running');
    if (!shown) return;
    shown.hidden = running.size === 0;
    refill(shown, ...(running.size > 0 ? [String(running.size), element('span', { class: 'unseen' }, ' running')] : []));
  });
  onConnection(signal, (isThere) => {
    const shown = document.getElementById('lost');
    if (shown) refill(shown, isThere ? '' : 'The connection was lost. Trying again …');
  });
  followJobs(signal);
}

async function enter() {
  is(await get('/me'));
  session = new AbortController();
  frame();
  keepRunning(session.signal);
  await render();
}

function leave(why) {
  session.abort();
  leaving.abort();
  forget();
  [side.hidden, menu.hidden] = [true, true];
  signIn(content, why, enter);
}

/** Says why the page could not begin. Who was signed in still is, for when the service is back. */
function wait(error) {
  if (user()) return;
  if (error.status === 401) return void leave('');
  const place = element('div', { class: 'trouble-place' });
  refill(content, element('div', { class: 'view' }, element('h1', {}, 'lockgate'), place,
    element('div', { class: 'actions start' }, button('Try again', () => location.reload()))));
  showTrouble(error, place);
}

menu.addEventListener('click', () => openMenu(menu.getAttribute('aria-expanded') !== 'true'));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || menu.getAttribute('aria-expanded') !== 'true') return;
  openMenu(false);
  menu.focus();
});
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  content.focus();
});
signedOut.addEventListener('signed-out', () => leave('The service no longer accepts your token. Sign in again.'));
window.addEventListener('hashchange', render);
keepAges();
if (token()) enter().catch(wait);
else leave('');
