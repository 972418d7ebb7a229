// How numbers and times are shown.
import { element } from './elements.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
const STEPS = [[60, 'second'], [60, 'minute'], [24, 'hour'], [7, 'day'], [4.35, 'week'], [12, 'month'], [Infinity, 'year']];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });
const numbers = new Intl.NumberFormat('en');
const moment = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric', hour: '2-digit', minute: '2-digit' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** Bytes in units of 1024. */
export function bytes(count) {
  if (count === null || count === undefined) return '';
  let [value, unit] = [count, 0];
  while (value >= 1023.95 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A number with its thousands apart. */
export const number = (count) => numbers.format(count);

/** A number with its noun: `1 part`, `2 parts`. */
export function counted(count, one, many = `${one}s`) {
  return `${numbers.format(count)} ${count === 1 ? one : many}`;
}

/** Like `3 hours ago` or `in 5 minutes`. */
export function age(time, now = Date.now()) {
  let value = (Date.parse(time) - now) / 1000;
  if (Math.abs(value) < 10) return 'just now';
  for (const [size, unit] of STEPS) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit);
    value /= size;
  }
  return '';
}

/** Date and time of day where the reader is. */
export const date = (time) => moment.format(new Date(time));

/** Time of day where the reader is. */
export const timeOfDay = (time) => clock.format(new Date(time));

/** A whole day in words. */
export const dayInWords = (time) => day.format(time);

/** Year, month and day where the reader is, as `2026-11-22`. */
export function dayOf(time) {
  const at = new Date(time);
  const two = (number) => String(number).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** How long something took, or has taken until now. */
export function took(start, end) {
  if (!start) return '';
  const seconds = Math.max(0, ((end ? Date.parse(end) : Date.now()) - Date.parse(start)) / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}

/** A moment as its age, which goes on; the exact time is its tooltip. */
export function ago(time) {
  return element('time', { datetime: time, title: date(time), 'data-age': true }, age(time));
}

/** A moment as date and time. */
export function at(time) {
  return element('time', { datetime: time, title: time }, date(time));
}

/** Keeps all ages on the page true. */
export function keepAges() {
  setInterval(() => {
    for (const shown of document.querySelectorAll('time[data-age]')) shown.textContent = age(shown.dateTime);
  }, 15_000);
}
