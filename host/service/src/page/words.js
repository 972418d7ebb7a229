// What states, kinds and events are called.
import { element, named } from './elements.js';
import { counted } from './format.js';

// Tone and word of each state. The tone is never alone: the word says the same.
const STATES = {
  READY: ['good', 'Ready'],
  DONE: ['good', 'Done'],
  ok: ['good', 'OK'],
  fresh: ['good', 'Fresh'],
  BACKING_UP: ['busy', 'Backing up'],
  RESTORING: ['busy', 'Restoring'],
  RUNNING: ['busy', 'Running'],
  QUEUED: ['quiet', 'Waiting'],
  PENDING: ['quiet', 'Not started'],
  CANCELLED: ['quiet', 'Cancelled'],
  unseen: ['quiet', 'Not looked at'],
  notice: ['busy', 'Notice'],
  warning: ['warning', 'Warning'],
  late: ['warning', 'Late'],
  old: ['warning', 'Old'],
  maintenance: ['warning', 'Out of service'],
  ERROR: ['bad', 'Failed'],
  critical: ['bad', 'Critical'],
  never: ['bad', 'Never'],
};

/** How grave a finding is, from nothing to the worst. */
export const SEVERITIES = ['ok', 'notice', 'warning', 'critical'];

/** A state as a coloured word. */
export function badge(state, title = null) {
  const [tone, word] = STATES[state] ?? ['quiet', state];
  return element('span', { class: `badge ${tone}`, title }, word);
}

/** The word for a state. */
export const word = (state) => (STATES[state] ?? ['', state])[1];

/** Whether nothing more will happen to a job. */
export const isEnded = (job) => ['DONE', 'ERROR', 'CANCELLED'].includes(job.state);

const list = (names) => names.map((name, index) => [index ? ', ' : '', named(name)]);
const whichOr = (names, otherwise) => (names?.length ? list(names) : otherwise);

/** What a job does, as children of a heading or a link. */
export function jobTitle(job) {
  const request = job.request;
  switch (job.kind) {
    case 'backup': return ['Backup of ', named(request.name)];
    case 'restore': return ['Restore of ', whichOr(request.sources, 'all sources'), ' from ', named(request.backup)];
    case 'plan': return ['Plan of a restore of ', whichOr(request.sources, 'all sources')];
    case 'health': return ['Health check of ', whichOr(request.sources, 'all sources')];
    case 'maintenance': return [request.step === 'enter' ? 'Take out of service: ' : 'Put back into service: ', list(request.sources)];
    case 'action': return [named(request.action), ' of ', named(request.source)];
    case 'retention': return ['Retention of ', list(request.units), ' by schedule ', named(request.schedule)];
    default: return [job.kind];
  }
}

/** The kinds of jobs, for a choice. */
export const KINDS = { backup: 'Backups', restore: 'Restores', plan: 'Plans', health: 'Health checks', maintenance: 'Maintenance', action: 'Repairs', retention: 'Retention' };

/** An event of a job in a line, as children. */
export function eventLine(event) {
  switch (event.event) {
    case 'state': return [word(event.state), event.error ? [': ', named(event.error.detail, '')] : ''];
    case 'stage': return ['Stage ', element('strong', {}, event.stage)];
    case 'component': {
      const { state, message, items } = event.status;
      return [named(event.source), ': ', word(state).toLowerCase(), items ? `, ${counted(items, 'item')}` : '', message ? [', ', named(message, '')] : ''];
    }
    case 'maintenance': return [named(event.source), event.is_on ? ' is out of service' : ' is back in service'];
    case 'finding': return [word(event.severity), ': ', event.source ? [named(event.source), ': '] : '', named(event.message, '')];
    case 'note': return [named(event.message, '')];
    default: return [event.event];
  }
}
