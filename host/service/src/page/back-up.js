// Asks what is to be backed up, and has it done.
import { post } from './api.js';
import { element } from './elements.js';
import { ask, check, field, select, tell } from './parts.js';

/** Opens the question; `chosen` is the set or source that is proposed. */
export function askForBackup(sources, chosen = null) {
  const sets = [...new Set(sources.flatMap((source) => source.sets))].sort();
  const what = {};
  for (const set of sets) {
    what[set] = `${set} (${sources.filter((source) => source.sets.includes(set)).length} sources as of one moment)`;
  }
  for (const { name, plugin } of sources) what[name] = `${name} (${plugin})`;
  const name = select(what, { value: chosen ?? Object.keys(what)[0], name: 'name' });
  const label = element('input', {
    name: 'label', pattern: '(?!\\.\\.)[A-Za-z0-9_.\\-]{3,25}', maxlength: 25, autocomplete: 'off', spellcheck: 'false',
    title: '3 to 25 letters, digits, _, . and -, not starting with ..',
  });
  const maintenance = check('In maintenance mode', { hint: 'Takes the datastores out of service meanwhile, and puts them back afterwards.' });
  const stability = check('Only when healthy', { hint: 'Looks at the datastores first, and does not begin when one finds something critical.' });
  const force = check('Read everything', { hint: 'Also what has not changed since the last backup. It takes longer.' });
  const shrink = check('Accept much less than last time', { hint: 'Otherwise a result that is empty, or less than half of the last one, is refused.' });
  ask({
    title: 'Back up now',
    body: [
      field('What', name),
      field('Label (optional)', label, '3 to 25 letters, digits, _, . and -. Several backups may have the same.'),
      maintenance.made,
      element('details', {}, element('summary', {}, 'More options'), stability.made, force.made, shrink.made),
    ],
    action: 'Back up',
    async act() {
      const job = await post('/backups', {
        name: name.value,
        label: label.value || null,
        maintenance: maintenance.control.checked,
        check_stability: stability.control.checked,
        force: force.control.checked,
        allow_shrink: shrink.control.checked,
      });
      tell('The backup has begun.');
      location.hash = `#/jobs/${job.id}`;
    },
  });
}
