// What goes on, and what was done.
import { get, remove } from '../api.js';
import { element, refill } from '../elements.js';
import { ago, took } from '../format.js';
import { followProgress, onJob } from '../live.js';
import { ask, button, empty, field, heading, section, select, table, tell } from '../parts.js';
import { progressBar } from '../progress.js';
import { may } from '../session.js';
import { KINDS, badge, isEnded, jobTitle } from '../words.js';

const SHOWN_MAX = 200;

const link = (job) => element('a', { href: `#/jobs/${job.id}` }, jobTitle(job));

/** A button that asks a job to stop; nothing for who may not. */
export function cancelButton(job) {
  if (!may('operator', 'restorer') || isEnded(job)) return null;
  return button('Cancel', () => ask({
    title: 'Cancel this job?',
    body: [
      element('p', {}, jobTitle(job)),
      element('p', { class: 'hint' }, job.kind === 'restore'
        ? 'What is restored already stays as it is; what has not been begun stays untouched. Datastores are put back into service.'
        : 'Nothing that was there before is changed. Datastores are put back into service.'),
    ],
    action: 'Cancel the job',
    kind: 'danger',
    async act() {
      await remove(`/jobs/${job.id}`);
      tell('The job was asked to stop.');
    },
  }), { label: 'Cancel this job' });
}

function card(job) {
  const bar = progressBar('Progress of this job');
  bar.show(job.progress);
  const made = element('li', { class: 'panel job' },
    element('div', { class: 'job-head' }, element('h3', {}, link(job)), badge(job.state), cancelButton(job)),
    bar.made,
    element('p', { class: 'hint' }, 'asked for by ', element('bdi', {}, job.requested_by), ' ', ago(job.created)));
  return { made, bar };
}

/** Keeps a list of the jobs that go on in `place`, with live progress; nothing there while there are none. */
export function runningJobs(place, signal, whenNone = null) {
  const jobs = new Map();
  let following = new AbortController();
  const render = () => {
    following.abort();
    following = new AbortController();
    if (signal.aborted) return;
    if (jobs.size === 0) return void refill(place, whenNone);
    const cards = new Map([...jobs].map(([id, job]) => [id, card(job)]));
    refill(place, section('Running', element('ul', { class: 'bare' }, [...cards.values()].map(({ made }) => made))));
    const running = [...jobs.values()].filter(({ state }) => state === 'RUNNING').map(({ id }) => id);
    followProgress(running, AbortSignal.any([signal, following.signal]), (id, progress) => {
      const job = jobs.get(id);
      if (job) job.progress = progress;
      cards.get(id)?.bar.show(progress);
    });
  };
  const take = (job) => {
    if (isEnded(job)) return jobs.delete(job.id);
    const before = jobs.get(job.id);
    jobs.set(job.id, job);
    return before?.state !== job.state;
  };
  onJob(signal, (job) => take(job) && render());
  signal.addEventListener('abort', () => following.abort());
  const states = ['RUNNING', 'QUEUED'].map((state) => get(`/jobs?state=${state}&limit=${SHOWN_MAX}`, signal));
  return Promise.all(states).then((found) => {
    found.flat().forEach(take);
    render();
  }).catch((error) => {
    // Who left the view does not wait for it.
    if (!signal.aborted) throw error;
  });
}

function past(jobs) {
  if (!jobs.length) return empty('No job has ended yet.', 'Back up now, from the overview, or wait for a schedule.');
  return table('Ended jobs', [
    { title: 'Job', cell: link },
    { title: 'State', cell: (job) => badge(job.state) },
    { title: 'Began', cell: (job) => ago(job.started ?? job.created) },
    { title: 'Took', className: 'number', cell: (job) => took(job.started, job.ended) },
    { title: 'Asked for by', cell: (job) => element('bdi', {}, job.requested_by) },
  ], jobs);
}

/** The view. */
export async function show(place, route, signal) {
  let jobs = await get(`/jobs?limit=${SHOWN_MAX}`, signal);
  const running = element('div', {});
  const ended = element('div', {});
  const kind = select({ '': 'All kinds', ...KINDS }, { onchange: () => render() });
  const state = select({ '': 'All ends', DONE: 'Done', ERROR: 'Failed', CANCELLED: 'Cancelled' }, { onchange: () => render() });
  const render = () => {
    const fits = (job) => (!kind.value || job.kind === kind.value) && (!state.value || job.state === state.value);
    refill(ended, past(jobs.filter((job) => isEnded(job) && fits(job))));
  };
  place.append(
    heading('Jobs', { about: 'What goes on, and what was done. A job goes on when you leave this page.' }),
    running,
    section('Ended',
      element('div', { class: 'filters' }, field('Kind', kind), field('End', state)), ended),
  );
  render();
  onJob(signal, (job) => {
    jobs = [job, ...jobs.filter(({ id }) => id !== job.id)].sort((a, b) => b.created.localeCompare(a.created)).slice(0, SHOWN_MAX);
    render();
  });
  await runningJobs(running, signal, empty('Nothing goes on at the moment.', 'Jobs appear here by themselves.'));
}
