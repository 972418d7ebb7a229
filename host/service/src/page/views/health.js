// How the datastores are.
import { get, post } from '../api.js';
import { element, named, refill } from '../elements.js';
import { findings } from '../findings.js';
import { ago } from '../format.js';
import { onJobs } from '../live.js';
import { ask, button, empty, field, heading, tell } from '../parts.js';
import { may } from '../session.js';
import { SEVERITIES, badge } from '../words.js';

const rank = (source) => (source.health ? SEVERITIES.indexOf(source.health.state) : -0.5);

async function look(sources) {
  await post('/health', { sources });
  tell('The plugins look at the datastores.');
}

/** Puts a source back into service that an operator took out of it; what a job took out it puts back itself. */
export async function putBack(source) {
  const job = await post('/maintenance', { sources: [source.name], step: 'leave' });
  tell('It is being put back into service.');
  location.hash = `#/jobs/${job.id}`;
}

function askForMaintenance(source) {
  ask({
    title: `Take ${source.name} out of service?`,
    body: [element('p', {}, 'Its users are held off until you put it back..')],
    action: 'Take out of service',
    kind: 'danger',
    async act() {
      const job = await post('/maintenance', { sources: [source.name], step: 'enter' });
      location.hash = `#/jobs/${job.id}`;
    },
  });
}

function askForRepair(source) {
  const action = element('input', { required: true, autocomplete: 'off', spellcheck: 'false' });
  const given = element('textarea', { rows: 3, spellcheck: 'false' });
  given.value = '{}';
  ask({
    title: `Repair ${source.name}`,
    body: [
      field('Repair', action, `Like reindex. The document of the plugin ${source.plugin} lists those it has.`),
      field('Arguments (JSON)', given),
    ],
    action: 'Repair',
    async act() {
      let values;
      try {
        values = JSON.parse(given.value || '{}');
      } catch (error) {
        throw Object.assign(new Error(`The arguments are not JSON: ${error.message}`), { status: 0, hint: 'Write {} where there are none.' });
      }
      const job = await post('/actions', { source: source.name, action: action.value.trim(), arguments: values });
      location.hash = `#/jobs/${job.id}`;
    },
  });
}

function card(source) {
  const { health, maintenance } = source;
  return element('article', { class: 'panel' },
    element('div', { class: 'job-head' },
      element('h2', {}, named(source.name)), badge(health?.state ?? 'unseen'),
      maintenance && badge('maintenance'),
      may('operator') && element('div', { class: 'actions' },
        maintenance && !maintenance.job && button('Put back', () => putBack(source), { label: `Put back into service: ${source.name}` }),
        !maintenance && button('Out of service …', () => askForMaintenance(source), { kind: 'plain', label: `Out of service …: ${source.name}` }),
        button('Repair …', () => askForRepair(source), { kind: 'plain', label: `Repair …: ${source.name}` }),
        button('Look now', () => look([source.name]), { label: `Look now at ${source.name}` }))),
    element('p', { class: 'hint' }, source.plugin, health && [', looked at ', ago(health.time)],
      maintenance && [', out of service since ', ago(maintenance.since), maintenance.job ? ' by a job, which puts it back' : ' by an operator']),
    health ? findings(health.findings) : element('p', { class: 'hint' }, may('operator') ? 'Press “Look now” to have its plugin look.' : 'Nobody had its plugin look yet.'));
}

/** The view. */
export async function show(place, route, signal) {
  const load = () => get('/sources', signal);
  const list = element('div', { class: 'stack' });
  const render = (sources) => refill(list, sources.length
    ? [...sources].sort((a, b) => rank(b) - rank(a) || a.name.localeCompare(b.name)).map(card)
    : empty('There is no source.', 'Name one in the configuration.'));
  const sources = await load();
  render(sources);
  place.append(
    heading('Health', {
      about: 'What plugins notice in the live datastores, the worst first. Looking changes nothing.',
      actions: may('operator') && sources.length > 0 ? [button('Look at all now', () => look([]), { kind: 'primary' })] : [],
    }),
    list,
  );
  onJobs(signal, (job) => job.ended !== null, async () => render(await load()));
}
