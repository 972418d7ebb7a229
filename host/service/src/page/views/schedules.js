// When backups are made without being asked for.
import { get, post } from '../api.js';
import { element, named, refill } from '../elements.js';
import { ago, at } from '../format.js';
import { onJobs } from '../live.js';
import { button, empty, heading, table, tell } from '../parts.js';
import { may } from '../session.js';
import { badge } from '../words.js';

function list(schedules) {
  if (!schedules.length) {
    return empty('Nothing is backed up by itself.', ['Add a schedule to the configuration, like ', element('code', {}, '[schedules.nightly]'), ', and start the service again.']);
  }
  return table('Schedules', [
    { title: 'Schedule', cell: (it) => [named(it.name, 'name strong'), element('p', { class: 'hint' }, 'backs up ', named(it.backs_up), it.maintenance && ', in maintenance mode')] },
    { title: 'When', cell: (it) => [element('code', {}, it.cron), element('p', { class: 'hint' }, it.time_zone)] },
    { title: 'Next', cell: (it) => (it.next ? [ago(it.next), element('p', { class: 'hint' }, at(it.next))] : 'never again') },
    { title: 'Last', cell: (it) => (it.last ? [it.last_state && badge(it.last_state), element('p', { class: 'hint' }, it.last_job ? element('a', { href: `#/jobs/${it.last_job}` }, ago(it.last)) : ago(it.last))] : 'not yet') },
    ...(may('operator') ? [{
      title: '', className: 'end',
      cell: (it) => button('Run now', async () => {
        const [job] = await post(`/schedules/${encodeURIComponent(it.name)}/run`);
        tell('The backup has begun.');
        location.hash = `#/jobs/${job.id}`;
      }, { label: `Run now: ${it.name}` }),
    }] : []),
  ], schedules);
}

/** The view. */
export async function show(place, route, signal) {
  const load = () => get('/schedules', signal);
  const rows = element('div', { class: 'panel flush' }, list(await load()));
  place.append(heading('Schedules', { about: 'When backups are made without being asked for. They are part of the configuration.' }), rows);
  onJobs(signal, () => true, async () => refill(rows, list(await load())));
}
