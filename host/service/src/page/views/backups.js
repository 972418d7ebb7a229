// All backups: a month of them as a calendar, and a list.
import { get } from '../api.js';
import { calendar } from '../calendar.js';
import { element, named, refill } from '../elements.js';
import { ago, at, bytes, dayInWords, dayOf, took } from '../format.js';
import { onJobs } from '../live.js';
import { empty, field, heading, section, select, table } from '../parts.js';
import { badge, word } from '../words.js';

const LOADED_MAX = 1000;
const LISTED_STEP = 25;
// Of the UUID; enough to tell backups with one label apart.
const ID_SHOWN = 8;
const STATES = ['READY', 'ERROR', 'BACKING_UP', 'RESTORING'];

/** A table of backups; `more` adds columns. */
export function backupTable(backups, more = []) {
  return table('Backups', [
    {
      title: 'Backup',
      cell: (backup) => [element('a', { href: `#/backups/${encodeURIComponent(backup.id)}`, class: 'strong' }, named(backup.label)),
        element('p', { class: 'hint mono', title: backup.id }, backup.id.slice(backup.label.length + 1, backup.label.length + 1 + ID_SHOWN))],
    },
    { title: 'State', cell: (backup) => [badge(backup.state), backup.ended && element('p', { class: 'hint short' }, `took ${took(backup.created, backup.ended)}`)] },
    { title: 'Begun', cell: (backup) => [ago(backup.created), element('p', { class: 'hint' }, at(backup.created))] },
    { title: 'What', cell: (backup) => (backup.set ? ['set ', named(backup.set)] : Object.keys(backup.component_status).map((name, index) => [index ? ', ' : '', named(name)])) },
    { title: 'Size', className: 'number', cell: (backup) => (backup.state === 'READY' ? [bytes(backup.bytes), element('p', { class: 'hint' }, `${bytes(backup.bytes_stored)} new`)] : '') },
    ...more,
  ], backups);
}

function none(all) {
  if (all.length) return empty('No backup is like that.', 'Choose another label, state, source or day.');
  return empty('There is no backup yet.', ['Press “Back up now” on the ', element('a', { href: '#/overview' }, 'overview'), ', or give the configuration a schedule.']);
}

/** What is chosen, kept in the address so that a reload shows the same. */
function keep(chosen) {
  const set = Object.entries(chosen).filter(([, value]) => value);
  history.replaceState(null, '', `#/backups${set.length ? `?${new URLSearchParams(set)}` : ''}`);
}

/** The view. */
export async function show(place, route, signal) {
  const load = () => get(`/backups?limit=${LOADED_MAX}`, signal);
  let all = await load();
  const given = (name) => route.query.get(name) ?? '';
  const sources = [...new Set(all.flatMap((backup) => Object.keys(backup.component_status)))].sort();
  const choices = (names) => Object.fromEntries([['', 'All'], ...names.map((name) => [name, name])]);
  const onchange = () => render();
  const label = element('input', { type: 'search', list: 'labels', value: given('label'), placeholder: 'All', spellcheck: 'false', oninput: onchange });
  const labels = element('datalist', { id: 'labels' }, [...new Set(all.map((backup) => backup.label))].sort().map((text) => element('option', { value: text })));
  const state = select({ '': 'All', ...Object.fromEntries(STATES.map((name) => [name, word(name)])) }, { value: given('state'), onchange });
  const source = select(choices(sources), { value: given('source'), onchange });
  let [day, shown] = [given('day') || null, LISTED_STEP];
  const found = element('div', {});
  const title = element('p', { class: 'hint', role: 'status' });
  const month = calendar(day ? new Date(`${day}T12:00`) : new Date(), (chosen) => {
    day = chosen;
    render();
  });
  const fits = (backup) => (!label.value || backup.label.includes(label.value))
    && (!state.value || backup.state === state.value)
    && (!source.value || source.value in backup.component_status);
  const render = () => {
    const fitting = all.filter(fits);
    const listed = day ? fitting.filter((backup) => dayOf(backup.created) === day) : fitting;
    month.show(fitting, day);
    refill(title, day ? [dayInWords(new Date(`${day}T12:00`)), ' ', element('button', { type: 'button', class: 'plain', onclick: () => { day = null; render(); } }, 'Show all days')] : '',
      all.length === LOADED_MAX ? `The newest ${LOADED_MAX} backups are shown.` : '');
    refill(found, listed.length ? backupTable(listed.slice(0, shown)) : none(all),
      listed.length > shown && element('div', { class: 'actions' }, element('button', { type: 'button', onclick: () => { shown += LISTED_STEP; render(); } }, 'Show more')));
    keep({ label: label.value, state: state.value, source: source.value, day });
  };
  place.append(
    heading('Backups', { about: 'What can be restored, and what went wrong.' }),
    element('div', { class: 'filters' }, field('Label', label), labels, field('State', state), field('Source', source)),
    element('div', { class: 'beside' }, month.made, section('List', title, found)),
  );
  render();
  onJobs(signal, ({ kind }) => ['backup', 'restore'].includes(kind), async () => {
    all = await load();
    render();
  });
}
