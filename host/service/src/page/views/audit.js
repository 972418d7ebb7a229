// What plugins were allowed, tried and did not get.
import { get, query } from '../api.js';
import { element, named, refill } from '../elements.js';
import { date } from '../format.js';
import { button, empty, field, heading, select, table } from '../parts.js';

const LINES = 200;
const EVENTS = { started: 'Began', launched: 'Let in', refused: 'Refused', 'refused-more': 'Refused more', 'secret-shown': 'Secret shown', ended: 'Ended' };
const SHOWN_APART = ['time', 'run', 'source', 'event', 'previous'];

/** A line of the log as a sentence. */
function sentence(line) {
  switch (line.event) {
    case 'started': return `${line.purpose}, by user ${line.user} in process ${line.process}`;
    case 'launched': return `plugin ${line.plugin} ${line.version}; it may: ${line.grants?.join(', ') || 'nothing'}`;
    case 'refused': return `${line.denied ? 'denied to' : 'refused to'} ${line.instance}: ${line.attempt}`;
    case 'refused-more': return `${line.count} more requests`;
    case 'secret-shown': return `credential ${line.credential} to ${line.instance}`;
    case 'ended': return line.error ? `${line.outcome}: ${line.error}` : line.outcome;
    default: return JSON.stringify(Object.fromEntries(Object.entries(line).filter(([key]) => !SHOWN_APART.includes(key))));
  }
}

function eventBadge(line) {
  const grave = line.event === 'secret-shown' || (line.event === 'refused' && line.denied) || line.outcome === 'failed';
  return element('span', { class: `badge ${grave ? 'warning' : 'quiet'}` }, EVENTS[line.event] ?? named(line.event));
}

function rows(lines) {
  return table('Lines of the audit log, the newest first', [
    { title: 'Time', cell: (line) => element('time', { datetime: line.time, title: line.time }, date(line.time)) },
    { title: 'Event', cell: eventBadge },
    { title: 'Source', cell: (line) => named(line.source ?? '') },
    { title: 'What', className: 'wide', cell: (line) => named(sentence(line), '') },
  ], lines);
}

/** The view. */
export async function show(place, route, signal) {
  let { lines } = await get(`/audit${query({ limit: LINES })}`, signal);
  const text = element('input', { type: 'search', oninput: () => render(), spellcheck: 'false' });
  const event = select({ '': 'All events', ...EVENTS }, { onchange: () => render() });
  const list = element('div', {});
  const render = () => {
    const wanted = text.value.toLowerCase();
    const found = lines.filter((line) => (!event.value || line.event === event.value)
      && (!wanted || `${line.source} ${line.run} ${sentence(line)}`.toLowerCase().includes(wanted)));
    if (found.length) return void refill(list, rows([...found].sort((a, b) => b.time.localeCompare(a.time))));
    refill(list, lines.length ? empty('No line is like that.', 'Look for something else.') : empty('Nothing was recorded yet.', 'The log begins with the first backup.'));
  };
  place.append(
    heading('Audit', {
      about: ['What plugins were allowed, tried and did not get. ', element('code', {}, 'lockgate audit verify'), ' shows that no line was changed.'],
      actions: [button('Load again', async () => {
        ({ lines } = await get(`/audit${query({ limit: LINES })}`, signal));
        render();
      })],
    }),
    element('div', { class: 'filters' }, field('Contains', text), field('Event', event)),
    element('div', { class: 'panel flush' }, list),
  );
  render();
}
