// What happens now. Browsers allow six connections to one host over all tabs, so each tab has one for all jobs and few for single
// ones, and none while nobody sees it.
import { follow, get, pause } from './api.js';

const STREAMS_MAX = 2;
const POLL_MS = 2000;
const SETTLE_MS = 300;
const changes = new EventTarget();

/** Hears of every job that changes its state; of one state perhaps twice. */
export function onJob(signal, hear) {
  changes.addEventListener('job', (event) => hear(event.detail), { signal });
}

/**
 * Has `reload` run soon after jobs that matter have changed: once for many of them, and never twice at a time. What cannot be loaded
 * stays as it was: the menu says that the connection was lost, and all jobs are told again when it is back.
 */
export function onJobs(signal, matters, reload) {
  let [isStale, isLoading] = [false, false];
  onJob(signal, async (job) => {
    isStale ||= matters(job);
    if (!isStale || isLoading) return;
    isLoading = true;
    try {
      while (isStale && !signal.aborted) {
        await pause(SETTLE_MS, signal);
        isStale = false;
        await reload().catch((error) => {
          if (!signal.aborted && !('status' in error)) throw error;
        });
      }
    } finally {
      isLoading = false;
    }
  });
}

/** Hears that the connection was lost, or is back. */
export function onConnection(signal, hear) {
  changes.addEventListener('connection', (event) => hear(event.detail), { signal });
}

const tellConnection = (isThere) => changes.dispatchEvent(new CustomEvent('connection', { detail: isThere }));
const tellJob = (job) => void changes.dispatchEvent(new CustomEvent('job', { detail: job }));

/** Follows all jobs until `signal`; while the page is hidden it does not, and catches up afterwards. */
export async function followJobs(signal) {
  while (!signal.aborted) {
    const seen = whileSeen(signal);
    try {
      for (const job of await get('/jobs?limit=50', seen)) tellJob(job);
      tellConnection(true);
      await follow('/events', {
        signal: seen,
        onEvent: tellJob,
        onBroken: () => tellConnection(false),
      });
    } catch (error) {
      if (!seen.aborted) tellConnection(false);
      if (error.status === 401 || error.status === 403) return;
    }
    await pause(POLL_MS, signal);
    await untilSeen(signal);
  }
}

/** Follows one job: all its events from the first, and how far it is. Ends when the job has, or at `signal`. */
export async function followJob(id, signal, hear) {
  let last = 0;
  while (!signal.aborted) {
    const seen = whileSeen(signal);
    let hasEnded = false;
    await follow(`/jobs/${id}/events`, {
      signal: seen,
      onEvent(event) {
        if (event.number && event.number <= last) return false;
        last = event.number || last;
        hear(event);
        hasEnded = event.event === 'state' && ['DONE', 'ERROR', 'CANCELLED'].includes(event.state);
        return hasEnded;
      },
    });
    if (hasEnded) return;
    await untilSeen(signal);
  }
}

/** Says how far each of these jobs is, until `signal`: the first few as it happens, the others every now and then. */
export async function followProgress(ids, signal, hear) {
  const streamed = ids.slice(0, STREAMS_MAX);
  for (const id of streamed) {
    followJob(id, signal, (event) => event.event === 'progress' && hear(id, event)).catch(() => {});
  }
  while (ids.length > STREAMS_MAX && !signal.aborted) {
    await pause(POLL_MS, signal);
    if (signal.aborted || document.hidden) continue;
    const jobs = await get('/jobs?state=RUNNING&limit=100', signal).catch(() => []);
    for (const job of jobs) if (!streamed.includes(job.id)) hear(job.id, job.progress);
  }
}

/** A signal that ends with another one, or when the page is hidden. */
function whileSeen(signal) {
  const hidden = new AbortController();
  const look = () => document.hidden && hidden.abort();
  document.addEventListener('visibilitychange', look, { signal: AbortSignal.any([signal, hidden.signal]) });
  look();
  return AbortSignal.any([signal, hidden.signal]);
}

async function untilSeen(signal) {
  while (document.hidden && !signal.aborted) {
    await new Promise((resolve) => {
      document.addEventListener('visibilitychange', resolve, { once: true });
      signal.addEventListener('abort', resolve, { once: true });
    });
  }
}
