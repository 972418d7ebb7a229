// What is protected, and how fresh that is.
import { get, getOr } from '../api.js';
import { askForBackup } from '../back-up.js';
import { element, named, refill } from '../elements.js';
import { age, ago, counted } from '../format.js';
import { onJobs } from '../live.js';
import { button, empty, heading, table } from '../parts.js';
import { may } from '../session.js';
import { badge } from '../words.js';
import { putBack } from './health.js';
import { runningJobs } from './jobs.js';

// Without a schedule nobody said how fresh it must be.
const OLD_AFTER_MS = 7 * 24 * 3600 * 1000;

/** How fresh a source is: `never`, `late` (its schedule came, and the backup failed), `old`, or `fresh`. */
export function freshness(source, schedules, now = Date.now()) {
  if (!source.last_ready_time) return 'never';
  const ready = Date.parse(source.last_ready_time);
  const own = schedulesOf(source, schedules);
  const failed = own.some(({ last, last_state: state }) => {
    return last && Date.parse(last) > ready && ['ERROR', 'CANCELLED'].includes(state);
  });
  if (failed) return 'late';
  return own.length === 0 && now - ready > OLD_AFTER_MS ? 'old' : 'fresh';
}

function schedulesOf(source, schedules) {
  return schedules.filter(({ backs_up: what }) => what === source.name || source.sets.includes(what));
}

function summary(sources, schedules) {
  const states = sources.map((source) => freshness(source, schedules));
  const fresh = states.filter((state) => state === 'fresh').length;
  if (fresh === sources.length) return `All ${counted(fresh, 'source')} have a fresh backup.`;
  return `${fresh} of ${counted(sources.length, 'source')} ${fresh === 1 ? 'has' : 'have'} a fresh backup.`;
}

function freshCell(source, schedules) {
  const state = freshness(source, schedules);
  if (state === 'never') return [badge('never'), element('p', { class: 'hint' }, 'no backup that can be restored')];
  return [badge(state), element('p', { class: 'hint' },
    element('a', { href: `#/backups/${encodeURIComponent(source.last_ready)}` }, ago(source.last_ready_time)))];
}

function nextCell(source, schedules) {
  const times = schedulesOf(source, schedules).map(({ next }) => next).filter(Boolean).sort();
  return times.length ? element('time', { datetime: times[0], title: times[0], 'data-age': true }, age(times[0])) : element('span', { class: 'hint' }, 'no schedule');
}

function healthCell(source) {
  const about = source.health ? `looked at ${age(source.health.time)}` : null;
  return [
    element('a', { href: '#/health', class: 'plain-link' }, badge(source.health?.state ?? 'unseen', about)),
    source.maintenance && element('p', { class: 'hint' }, badge('maintenance'), ' since ', ago(source.maintenance.since)),
  ];
}

function actionsCell(source, sources) {
  if (!may('operator')) return [];
  const byHand = source.maintenance && !source.maintenance.job;
  return [
    byHand && button('Put back', () => putBack(source), { label: `Put back into service: ${source.name}` }),
    button('Back up', () => askForBackup(sources, source.name), { label: `Back up ${source.name}` }),
  ];
}

function list(sources, schedules) {
  if (!sources.length) {
    return empty('Nothing is protected yet.', ['Name a source in the configuration, like ', element('code', {}, '[sources.home]'), ', and start the service again. ', element('code', {}, 'lockgate config check'), ' explains mistakes.']);
  }
  return table('Sources', [
    { title: 'Source', cell: (source) => [named(source.name, 'name strong'), element('p', { class: 'hint' }, source.plugin, source.sets.length > 0 && [' · set ', source.sets.join(', ')])] },
    { title: 'Last backup', cell: (source) => freshCell(source, schedules) },
    { title: 'Next', cell: (source) => nextCell(source, schedules) },
    { title: 'Health', cell: healthCell },
    ...(may('operator') ? [{ title: '', className: 'end', cell: (source) => actionsCell(source, sources) }] : []),
  ], sources, (source) => ({ class: source.maintenance ? 'marked' : null }));
}

/** The view. */
export async function show(place, route, signal) {
  const load = () => Promise.all([get('/sources', signal), getOr('/schedules', [], signal)]);
  let [sources, schedules] = await load();
  const about = element('p', { class: 'about' }, sources.length ? summary(sources, schedules) : '');
  const rows = element('div', {}, list(sources, schedules));
  const running = element('div', {});
  place.append(
    heading('Overview', {
      about,
      actions: may('operator') && sources.length > 0 ? [button('Back up now', () => askForBackup(sources), { kind: 'primary' })] : [],
    }),
    running,
    element('div', { class: 'panel flush' }, rows),
  );
  runningJobs(running, signal);
  onJobs(signal, () => true, async () => {
    [sources, schedules] = await load();
    refill(rows, list(sources, schedules));
    refill(about, sources.length ? summary(sources, schedules) : '');
  });
}
