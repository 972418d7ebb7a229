// How far a job is.
import { element, freshId, refill } from './elements.js';
import { bytes, counted } from './format.js';

/** How much of a job is done, from 0 to 1; null where nobody knows. */
function share({ bytes: done, bytes_planned: planned, parts, parts_planned: partsPlanned }) {
  if (planned) return Math.min(1, done / planned);
  if (partsPlanned) return Math.min(1, parts / partsPlanned);
  return null;
}

function inWords(progress) {
  const said = [];
  if (progress.stage) said.push(progress.stage);
  if (progress.parts_planned) said.push(`${progress.parts} of ${counted(progress.parts_planned, 'part')}`);
  if (progress.bytes_planned) said.push(`${bytes(progress.bytes)} of ${bytes(progress.bytes_planned)}`);
  else if (progress.bytes) said.push(bytes(progress.bytes));
  if (progress.entries) said.push(counted(progress.entries, 'entry', 'entries'));
  return said.join(' · ');
}

/** A bar with words below it, and `show`, which moves both. */
export function progressBar(label) {
  const id = freshId('progress');
  const bar = element('progress', { max: 1, 'aria-label': label, 'aria-describedby': id });
  const words = element('p', { class: 'progress-words', id });
  const show = (progress) => {
    const done = share(progress);
    if (done === null) bar.removeAttribute('value');
    else bar.value = done;
    refill(words, inWords(progress) || 'waiting');
  };
  return { made: element('div', { class: 'progress' }, bar, words), show };
}
