// One job as it goes on: state, progress, each source, and what happened.
import { get } from './api.js';
import { element, fill, named, refill, say } from './elements.js';
import { ago, bytes, number, timeOfDay, took } from './format.js';
import { findings } from './findings.js';
import { followJob } from './live.js';
import { facts, section, showTrouble, table, trouble } from './parts.js';
import { planned } from './plan.js';
import { progressBar } from './progress.js';
import { badge, eventLine, isEnded, word } from './words.js';

const EVENTS_SHOWN_MAX = 500;

/** Each source of a backup or a restore, and where it stands. */
export function components(status) {
  return table('Sources', [
    { title: 'Source', cell: ([name]) => named(name, 'name strong') },
    { title: 'State', cell: ([, of]) => badge(of.state) },
    { title: 'Items', className: 'number', cell: ([, of]) => (of.items ? number(of.items) : '') },
    { title: 'Bytes', className: 'number', cell: ([, of]) => (of.bytes ? bytes(of.bytes) : '') },
    { title: 'What to know', className: 'wide', cell: ([, of]) => (of.message ? named(of.message, '') : '') },
  ], Object.entries(status));
}

function result(job) {
  const of = job.result ?? {};
  const warnings = (of.warnings ?? []).map((warning) => element('p', { class: 'warn' }, named(warning, '')));
  switch (job.kind) {
    case 'backup':
      return job.backup && job.state === 'DONE'
        ? [element('p', {}, bytes(of.bytes ?? 0), ' in the backup, ', bytes(of.bytes_stored ?? 0), ' new in the repository.'),
          element('p', {}, element('a', { class: 'button primary', href: `#/backups/${encodeURIComponent(job.backup)}` }, 'Open the backup'))]
        : [];
    case 'plan': return of.plans ? planned(of) : [];
    case 'health': return Object.entries(of.sources ?? {}).map(([name, health]) => [element('h3', {}, named(name), ' ', badge(health.state)), findings(health.findings)]);
    case 'action': return of.findings ? findings(of.findings) : [];
    default: return warnings;
  }
}

/** What the panel knows, told by the job's events. */
class Told {
  constructor(job) {
    this.job = job;
    this.bar = progressBar('Progress');
    this.progress = job.progress;
    this.bar.show(job.progress);
    this.state = element('span', { class: 'state' }, badge(job.state));
    this.sources = element('div', {});
    this.status = {};
    this.log = element('ol', { class: 'log' });
    this.end = element('div', {});
    this.time = element('span', {});
  }

  hear(event) {
    if (event.event === 'progress') {
      this.progress = event;
      return this.bar.show(event);
    }
    if (event.event === 'state') {
      this.job.state = event.state;
      refill(this.state, badge(event.state));
      say(word(event.state));
    }
    if (event.event === 'stage') this.bar.show({ ...this.progress, stage: event.stage });
    if (event.event === 'component') {
      this.status[event.source] = event.status;
      refill(this.sources, section('Sources', components(this.status)));
      say(`${event.source}: ${word(event.status.state)}`);
    }
    this.log.append(element('li', {}, element('time', { datetime: event.time }, timeOfDay(event.time)), ' ', fill(element('span', {}), eventLine(event))));
    if (this.log.childElementCount > EVENTS_SHOWN_MAX) this.log.firstElementChild.remove();
    return undefined;
  }

  /** Shows what came of it. */
  ended(job) {
    Object.assign(this.job, job);
    refill(this.state, badge(job.state));
    this.bar.made.hidden = isEnded(job);
    refill(this.time, took(job.started, job.ended));
    const said = job.error && trouble(job.error);
    const came = result(job);
    refill(this.end, said, came.length !== 0 && section('What came of it', came));
  }
}

/** A job that is shown in `place` until `signal`; `onEnd` hears of the job when it has ended. */
export function showJob(place, job, signal, { onEnd = () => {} } = {}) {
  const told = new Told(job);
  const lost = element('div', { class: 'trouble-place' });
  if (!isEnded(job)) {
    const timer = setInterval(() => refill(told.time, took(told.job.started ?? told.job.created, told.job.ended)), 1000);
    signal.addEventListener('abort', () => clearInterval(timer));
    told.onEnd = () => clearInterval(timer);
  }
  fill(place,
    element('div', { class: 'panel' },
      facts([
        ['State', told.state], ['Asked for by', element('bdi', {}, job.requested_by)],
        ['Asked for', ago(job.created)], ['Took', told.time],
        ['Backup', job.backup && element('a', { href: `#/backups/${encodeURIComponent(job.backup)}` }, named(job.backup))],
      ]),
      told.bar.made, lost),
    told.end, told.sources,
    element('details', { class: 'panel', open: !isEnded(job) }, element('summary', {}, 'What happened'), told.log));
  if (isEnded(job)) told.ended(job);
  followJob(job.id, signal, (event) => told.hear(event))
    .then(() => get(`/jobs/${job.id}`, signal))
    .then((after) => {
      told.onEnd?.();
      told.ended(after);
      onEnd(after);
    })
    .catch((error) => signal.aborted || showTrouble(error, lost));
}
