// One backup.
import { get, remove } from '../api.js';
import { element, named, refill } from '../elements.js';
import { ago, at, bytes, took } from '../format.js';
import { components } from '../job-panel.js';
import { onJobs } from '../live.js';
import { ask, button, facts, heading, section, tell, trouble } from '../parts.js';
import { may } from '../session.js';
import { badge } from '../words.js';

function askToDelete(backup) {
  ask({
    title: 'Delete this backup?',
    body: [
      element('p', {}, named(backup.id, 'name strong')),
      element('p', {}, 'It is of ', at(backup.created), ' and has ', bytes(backup.bytes), '. It cannot be restored afterwards. Other backups stay whole; space is freed by the next prune.'),
    ],
    action: 'Delete the backup',
    kind: 'danger',
    async act() {
      await remove(`/backups/${encodeURIComponent(backup.id)}`);
      tell('The backup was deleted.');
      location.hash = '#/backups';
    },
  });
}

function actions(backup) {
  const id = encodeURIComponent(backup.id);
  const isReady = backup.state === 'READY';
  const busy = ['BACKING_UP', 'RESTORING'].includes(backup.state);
  return [
    may('operator') && !busy && button('Delete', () => askToDelete(backup), { kind: 'danger-quiet' }),
    may('restorer') && isReady && element('a', { class: 'button', href: `#/backups/${id}/files` }, 'Browse'),
    may('restorer') && isReady && element('a', { class: 'button primary', href: `#/restore/${id}` }, 'Restore …'),
  ];
}

function body(backup) {
  const last = backup.restores;
  return [
    backup.error && trouble(backup.error),
    element('div', { class: 'panel' }, facts([
      ['State', badge(backup.state)],
      ['Begun', [at(backup.created), ' (', ago(backup.created), ')']],
      ['Took', backup.ended && took(backup.created, backup.ended)],
      ['Set', backup.set && named(backup.set)],
      ['Size', backup.bytes ? `${bytes(backup.bytes)}, of which ${bytes(backup.bytes_stored)} were new` : ''],
      ['Asked for by', element('bdi', {}, backup.requested_by)],
      ['Repository', named(backup.repository, 'name')],
      ['Snapshot', backup.snapshot && element('span', { class: 'mono' }, backup.snapshot)],
      ['Id', element('span', { class: 'mono' }, backup.id)],
    ])),
    section('Sources', components(backup.component_status)),
    last && section('Last restore from it',
      element('p', {}, 'Begun ', ago(last.started), last.ended ? `, took ${took(last.started, last.ended)}. ` : ', goes on. ', element('a', { href: `#/jobs/${last.job}` }, 'Its job')),
      components(last.component_status)),
  ];
}

/** The view. */
export async function show(place, route, signal) {
  const load = () => get(`/backups/${encodeURIComponent(route.id)}`, signal);
  const backup = await load();
  const can = element('div', { class: 'actions' }, actions(backup));
  const about = element('div', { class: 'stack' }, body(backup));
  place.append(heading(['Backup ', named(backup.label)], { back: { href: '#/backups', text: 'Backups' }, actions: [can] }), about);
  onJobs(signal, (job) => job.backup === route.id, async () => {
    const after = await load();
    refill(can, actions(after));
    refill(about, body(after));
  });
}
