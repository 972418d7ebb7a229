// Chooses what is restored, shows what that would do, and only then does it.
import { get, post } from '../api.js';
import { element, named, refill, say } from '../elements.js';
import { ago } from '../format.js';
import { showJob } from '../job-panel.js';
import { followJob } from '../live.js';
import { counts, planned } from '../plan.js';
import { ask, empty, heading, section, showTrouble, trouble } from '../parts.js';
import { badge } from '../words.js';
import { restoreForm } from '../restore-form.js';
import { backupTable } from './backups.js';

const OFFERED_MAX = 100;

async function choose(place, signal) {
  const backups = await get(`/backups?state=READY&limit=${OFFERED_MAX}`, signal);
  const pick = {
    title: '', className: 'end',
    cell: (backup) => element('a', { class: 'button', href: `#/restore/${encodeURIComponent(backup.id)}`, 'aria-label': `Restore … ${backup.id}` }, 'Restore …'),
  };
  place.append(
    heading('Restore', { about: 'First the backup, then what of it, then the plan. Nothing is changed before you have seen the plan.' }),
    section('Which backup?', backups.length
      ? backupTable(backups, [pick])
      : empty('There is no backup that can be restored.', ['Make one from the ', element('a', { href: '#/overview' }, 'overview'), '.'])),
  );
}

/** Has the service make a plan of a request. */
async function planOf(request, signal) {
  const job = await post('/plans', request);
  await followJob(job.id, signal, () => {});
  const ended = await get(`/jobs/${job.id}`, signal);
  if (ended.state === 'DONE') return ended.result;
  throw Object.assign(new Error(ended.error?.detail ?? 'The plan was cancelled.'), { status: 0, hint: ended.error?.hint });
}

function confirm(plan, request, begin) {
  const { steps, replaced } = counts(plan);
  ask({
    title: 'Restore now?',
    body: [
      element('p', {}, 'From ', named(request.backup, 'name strong'), ` in ${steps} step${steps === 1 ? '' : 's'}. `,
        replaced ? element('strong', {}, `${replaced} of them replace${replaced === 1 ? 's' : ''} what is there now.`) : 'Nothing that is there is replaced.'),
      plan.warnings.map((warning) => element('p', { class: 'warn' }, named(warning, ''))),
    ],
    action: 'Restore',
    kind: replaced ? 'danger' : 'primary',
    act: begin,
  });
}

async function restoreOf(place, id, signal) {
  const backup = await get(`/backups/${encodeURIComponent(id)}`, signal);
  const back = { href: `#/backups/${encodeURIComponent(id)}`, text: 'The backup' };
  const head = heading(['Restore ', named(backup.label)], { back, about: ['From ', named(id), ', begun ', ago(backup.created), '. Nothing is changed before you have seen the plan.'] });
  if (backup.state !== 'READY') {
    place.append(head, element('div', { class: 'panel' }, badge(backup.state), trouble(backup.error ?? {
      detail: 'This backup cannot be restored now.', hint: 'Wait until its job has ended, or choose another backup.',
    })));
    return;
  }
  // The plan that is shown, and the request that it is of; none when the form was changed since.
  let shown = null;
  const planPlace = element('div', { class: 'plan', 'aria-live': 'polite' });
  const planButton = element('button', { type: 'submit', class: 'primary' }, 'Show the plan');
  const restoreButton = element('button', { type: 'button', class: 'primary', disabled: true }, 'Restore …');
  const form = restoreForm(backup, signal, () => forget());
  const forget = () => {
    if (shown) refill(planPlace, element('p', { class: 'hint' }, 'Something was changed. Have the plan shown again.'));
    shown = null;
    restoreButton.disabled = true;
  };
  form.made.addEventListener('submit', async (event) => {
    event.preventDefault();
    const request = form.request();
    forget();
    planButton.disabled = true;
    refill(planPlace, element('p', { class: 'loading' }, 'The plugins look at what is there …'));
    try {
      const plan = await planOf(request, signal);
      // What was changed meanwhile is not what this plan is of.
      if (JSON.stringify(form.request()) !== JSON.stringify(request)) return void refill(planPlace, element('p', { class: 'hint' }, 'Something was changed. Have the plan shown again.'));
      shown = { plan, request };
      refill(planPlace, planned(plan));
      restoreButton.disabled = false;
      say('The plan is ready.');
    } catch (error) {
      refill(planPlace);
      if (!signal.aborted) showTrouble(error, planPlace);
    } finally {
      planButton.disabled = false;
    }
  });
  restoreButton.addEventListener('click', () => shown && confirm(shown.plan, shown.request, async () => {
    const job = await post('/restores', shown.request);
    const panel = element('div', { class: 'stack' });
    const running = heading(['Restore of ', named(backup.label)], { back });
    refill(place, running, panel);
    showJob(panel, job, signal);
    running.querySelector('h1').focus();
  }));
  form.made.append(element('div', { class: 'actions start' }, planButton));
  place.append(head, section('1. What', form.made), section('2. Plan', planPlace, element('div', { class: 'actions start' }, restoreButton)));
  refill(planPlace, element('p', { class: 'hint' }, 'Have the plan shown: it says what would be done, in order, and what would be replaced.'));
}

/** The view. */
export const show = (place, route, signal) => (route.id ? restoreOf(place, route.id, signal) : choose(place, signal));
