// Speaks to the service.
import { forget, token, user } from './session.js';

const BASE = '/api/v1';
const WAIT_MIN_MS = 500;
const WAIT_MAX_MS = 15_000;

/** What the service said went wrong (RFC 9457), or that it said nothing. */
export class Trouble extends Error {
  constructor({ type = 'failed', status = 0, detail = 'Something went wrong.', hint = null }) {
    super(detail);
    Object.assign(this, { type, status, hint });
  }
}

/** Ends a sign-in that the service no longer accepts. */
export const signedOut = new EventTarget();

async function send(method, path, { body, headers = {}, signal } = {}) {
  const all = { Authorization: `Bearer ${token() ?? ''}`, ...headers };
  if (body !== undefined) all['Content-Type'] = 'application/json';
  let response;
  try {
    const content = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(BASE + path, { method, headers: all, body: content, signal, cache: 'no-store' });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Trouble({
      type: 'unreachable',
      detail: 'The service does not answer.',
      hint: 'It may be restarting. Jobs go on or are taken up again by themselves; try again in a moment.',
    });
  }
  if (response.ok) return response;
  throw await trouble(response);
}

async function trouble(response) {
  let said = {};
  try {
    said = await response.json();
  } catch {
    // An answer of something in between, such as a proxy.
  }
  if (response.status === 401 && user()) {
    forget();
    signedOut.dispatchEvent(new Event('signed-out'));
  }
  return new Trouble({ detail: `The service answered ${response.status}.`, ...said, status: response.status });
}

/** Fields of a query; what is null or empty is left out. */
export function query(fields) {
  const set = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

/** What is at a path. */
export const get = async (path, signal) => (await send('GET', path, { signal })).json();

/** What is at a path, or `otherwise` where the service knows no such path. */
export async function getOr(path, otherwise, signal) {
  try {
    return await get(path, signal);
  } catch (error) {
    if (error.status === 404) return otherwise;
    throw error;
  }
}

/** Asks for something; most such answers are the job that does it. */
export const post = async (path, body = {}) => (await send('POST', path, { body })).json();

/** Takes something away, or stops it. */
export const remove = async (path) => void (await send('DELETE', path));

/** The bytes at a path, as they come. */
export const content = (path, signal) => send('GET', path, { signal });

/**
 * Follows a stream of server-sent events until `onEvent` returns true or `signal` ends it. `EventSource` cannot say who asks, so
 * this is its work: a stream that breaks is continued after the last event that had an id.
 */
export async function follow(path, { signal, onEvent, onBroken = () => {} }) {
  let [last, wait] = [null, WAIT_MIN_MS];
  while (!signal.aborted) {
    try {
      const headers = { Accept: 'text/event-stream', ...(last === null ? {} : { 'Last-Event-ID': last }) };
      const response = await send('GET', path, { headers, signal });
      for await (const event of eventsIn(response.body)) {
        wait = WAIT_MIN_MS;
        if (event.id !== null) last = event.id;
        if (onEvent(JSON.parse(event.data))) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      // What the service refuses it will refuse again.
      if (error instanceof Trouble && error.status >= 400 && error.status < 500 && error.status !== 429) throw error;
      onBroken(error);
    }
    await pause(wait, signal);
    wait = Math.min(2 * wait, WAIT_MAX_MS);
  }
}

/** Waits, or less when `signal` says so. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

/** Server-sent events as the HTML standard writes them: fields in lines, an empty line ends an event. */
async function* eventsIn(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let [rest, event] = ['', { id: null, data: [] }];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === '') {
          if (event.data.length) yield { id: event.id, data: event.data.join('\n') };
          event = { id: null, data: [] };
        } else {
          read(line, event);
        }
      }
    }
  } finally {
    // Whoever hears no more needs the connection no more.
    await reader.cancel().catch(() => {});
  }
}

function read(line, event) {
  const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
  if (field === 'data') event.data.push(text);
  if (field === 'id') event.id = text;
}
