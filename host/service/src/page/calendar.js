// The backups of a month, day by day.
import { element, freshId, refill } from './elements.js';
import { counted, dayInWords, dayOf } from './format.js';

const WEEKDAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const monthInWords = new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric' });

/** The weeks of a month, Monday first; null where the day is of another month. */
export function weeks(year, month) {
  const first = (new Date(year, month, 1).getDay() + 6) % 7;
  const last = new Date(year, month + 1, 0).getDate();
  const days = [...Array(first).fill(null), ...Array.from({ length: last }, (_, index) => index + 1)];
  while (days.length % 7) days.push(null);
  return Array.from({ length: days.length / 7 }, (_, week) => days.slice(7 * week, 7 * week + 7));
}

/** Days with their backups, as a map from `2026-11-22`. */
function byDay(backups) {
  const days = new Map();
  for (const backup of backups) {
    const day = dayOf(backup.created);
    days.set(day, [...(days.get(day) ?? []), backup]);
  }
  return days;
}

function dayCell(date, backups, isChosen, choose) {
  const key = dayOf(date);
  const isToday = key === dayOf(Date.now());
  const number = element('span', { class: 'day-number', 'aria-hidden': 'true' }, date.getDate());
  if (!backups.length) return element('td', { class: isToday ? 'today' : null, 'aria-current': isToday ? 'date' : null }, element('span', { class: 'day' }, element('span', { class: 'day-number' }, date.getDate())));
  const failed = backups.filter(({ state }) => state === 'ERROR').length;
  const label = `${dayInWords(date)}: ${counted(backups.length, 'backup')}${failed ? `, ${failed} failed` : ''}`;
  const tone = failed === backups.length ? 'bad' : failed ? 'warning' : 'good';
  return element('td', { class: isToday ? 'today' : null, 'aria-current': isToday ? 'date' : null },
    element('button', { type: 'button', class: `day ${tone}`, 'aria-pressed': String(isChosen), title: label, onclick: () => choose(key) },
      number, element('span', { class: 'day-count', 'aria-hidden': 'true' }, failed ? `${backups.length - failed}+${failed}✕` : backups.length), element('span', { class: 'unseen' }, label)));
}

/**
 * A calendar. `show(backups, day)` fills it; `choose` hears of the day that was pressed, and null when it was pressed again.
 */
export function calendar(start, choose) {
  let [year, month, backups, chosen] = [start.getFullYear(), start.getMonth(), [], null];
  const id = freshId('month');
  const title = element('h2', { id, 'aria-live': 'polite' });
  const place = element('div', {});
  const turn = (by) => {
    const to = new Date(year, month + by, 1);
    [year, month] = [to.getFullYear(), to.getMonth()];
    render();
  };
  const pick = (day) => {
    choose(day === chosen ? null : day);
    place.querySelector(`[data-day="${day}"] button`)?.focus();
  };
  const render = () => {
    const days = byDay(backups);
    refill(title, monthInWords.format(new Date(year, month, 1)));
    const head = WEEKDAYS.map((name) => element('th', { scope: 'col' }, element('abbr', { title: name }, name.slice(0, 2))));
    const rows = weeks(year, month).map((week) => element('tr', {}, week.map((number) => {
      if (number === null) return element('td', {});
      const date = new Date(year, month, number);
      const key = dayOf(date);
      const cell = dayCell(date, days.get(key) ?? [], key === chosen, pick);
      cell.dataset.day = key;
      return cell;
    })));
    refill(place, element('table', { class: 'calendar', 'aria-labelledby': id }, element('thead', {}, element('tr', {}, head)), element('tbody', {}, rows)));
  };
  const step = (text, label, by) => element('button', { type: 'button', class: 'plain', 'aria-label': label, onclick: () => turn(by) }, text);
  const made = element('section', { class: 'panel month', 'aria-labelledby': id },
    element('div', { class: 'month-head' }, step('‹', 'Previous month', -1), title, step('›', 'Next month', 1)), place);
  const show = (all, day) => {
    [backups, chosen] = [all, day];
    render();
  };
  return { made, show };
}
