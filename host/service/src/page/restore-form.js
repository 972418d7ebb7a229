// What of a backup is restored, and how.
import { get, query } from './api.js';
import { shownName } from './download.js';
import { element, named, refill } from './elements.js';
import { bytes } from './format.js';
import { check, field } from './parts.js';

const PARTS_OFFERED_MAX = 200;

// `is`: what it means when it is on. `inverted`: the request has its opposite.
const OPTIONS = [
  { key: 'overwrite', label: 'Replace what is in the way', is: 'Without it nothing that is there already is replaced: the restore stops before it begins and says what is in the way.' },
  { key: 'disaster_recovery', label: 'Disaster recovery', is: 'The servers are fresh and have not the old cluster’s identity. Nobody asks whether they are healthy first, and plugins give them what a fresh server lacks.' },
  { key: 'without_maintenance', inverted: true, label: 'Take the datastores out of service meanwhile', is: 'Nobody writes to them during the restore. They are put back afterwards, also when it fails.' },
  { key: 'without_stability', inverted: true, label: 'Look at the datastores before and after', is: 'The restore does not begin when one has a critical finding, and you are told when one has it afterwards.' },
  { key: 'without_verify', inverted: true, label: 'Compare fingerprints afterwards', is: 'Shows that the content is as it was backed up, for plugins that compute fingerprints.' },
];

/** Parts of one source are the folders below it in the snapshot. */
async function partsOf(backup, source, signal) {
  const path = source;
  const { entries } = await get(`/backups/${encodeURIComponent(backup.id)}/entries${query({ path, limit: PARTS_OFFERED_MAX })}`, signal);
  return entries.filter((entry) => entry.kind === 'directory' && !entry.name.startsWith('.')).map((entry) => shownName(entry.name));
}

function sourceChecks(backup, changed) {
  const all = Object.entries(backup.component_status).map(([name, status]) => {
    const { made, control } = check(named(name), { checked: true, value: name, onchange: changed, hint: status.bytes ? bytes(status.bytes) : '' });
    return { name, made, control };
  });
  const made = element('fieldset', {}, element('legend', {}, 'Sources'), all.map((one) => one.made));
  return { made, chosen: () => all.filter(({ control }) => control.checked).map(({ name }) => name), all: all.length, first: all[0]?.control };
}

/** Parts and a new name, which are of one source only. */
function detailChecks(backup, signal, changed) {
  const made = element('div', {});
  let [of, parts, rename] = [null, [], null];
  const show = async (source) => {
    if (source === of) return;
    [of, parts, rename] = [source, [], null];
    refill(made);
    if (!source) return;
    const names = await partsOf(backup, source, signal).catch(() => []);
    if (of !== source) return;
    parts = names.map((name) => ({ name, ...check(named(name), { checked: true, onchange: changed }) }));
    const [from, to] = ['', ''].map(() => element('input', { autocomplete: 'off', spellcheck: 'false', oninput: changed }));
    rename = { from, to };
    refill(made,
      parts.length > 1 && element('fieldset', {}, element('legend', {}, 'Parts'), parts.map((part) => part.made)),
      element('details', {}, element('summary', {}, 'Under another name'),
        element('p', { class: 'hint' }, 'Restores something of this source beside what is there. What has names, its plugin’s document says.'),
        element('div', { class: 'filters' }, field('Name in the backup', from), field('New name', to))));
  };
  const request = () => {
    const chosen = parts.filter(({ control }) => control.checked).map(({ name }) => name);
    return {
      parts: chosen.length === parts.length ? [] : chosen,
      rename: rename?.from.value && rename.to.value ? { [rename.from.value]: rename.to.value } : {},
    };
  };
  const isNothing = () => parts.length > 0 && parts.every(({ control }) => !control.checked);
  return { made, show, request, isNothing };
}

/** The form; `changed` hears of every change, and `request()` is what the API is asked for. */
export function restoreForm(backup, signal, changed) {
  const look = () => {
    const chosen = sources.chosen();
    details.show(chosen.length === 1 ? chosen[0] : null);
    sources.first?.setCustomValidity(chosen.length === 0 ? 'Choose one source at least.' : details.isNothing() ? 'Choose one part at least.' : '');
  };
  const hear = () => {
    look();
    changed();
  };
  const details = detailChecks(backup, signal, hear);
  const sources = sourceChecks(backup, hear);
  const options = OPTIONS.map((option) => ({ ...option, ...check(option.label, { checked: Boolean(option.inverted), hint: option.is, onchange: hear }) }));
  const made = element('form', { class: 'stack' },
    sources.made, details.made,
    element('fieldset', {}, element('legend', {}, 'Options'), options.map((option) => option.made)));
  const request = () => {
    const chosen = sources.chosen();
    const { parts, rename } = details.request();
    const flags = options.map(({ key, inverted, control }) => [key, inverted ? !control.checked : control.checked]);
    return { backup: backup.id, sources: chosen.length === sources.all ? [] : chosen, parts, rename, ...Object.fromEntries(flags) };
  };
  look();
  return { made, request };
}
