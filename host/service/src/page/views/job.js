// One job.
import { get } from '../api.js';
import { element, refill } from '../elements.js';
import { showJob } from '../job-panel.js';
import { heading } from '../parts.js';
import { isEnded, jobTitle } from '../words.js';
import { cancelButton } from './jobs.js';

/** The view. */
export async function show(place, route, signal) {
  const job = await get(`/jobs/${encodeURIComponent(route.id)}`, signal);
  const actions = element('div', { class: 'actions' }, cancelButton(job));
  const panel = element('div', { class: 'stack' });
  place.append(
    heading(jobTitle(job), { back: { href: '#/jobs', text: 'Jobs' }, actions: [actions] }),
    panel,
  );
  showJob(panel, job, signal, { onEnd: (after) => isEnded(after) && refill(actions) });
}
