// What several views are made of.
import { element, fill, freshId, named, refill, say } from './elements.js';

/** The head of a view: its title, a sentence about it, and what can be done. Reading goes on here after a change of view. */
export function heading(title, { about = '', actions = [], back = null } = {}) {
  const top = element('h1', { tabindex: '-1' }, title);
  document.title = `${top.textContent} · lockgate`;
  return element('header', { class: 'head' },
    element('div', { class: 'head-text' },
      back && element('a', { class: 'back', href: back.href }, back.text),
      top,
      about && element('p', { class: 'about' }, about)),
    element('div', { class: 'actions' }, actions));
}

/** A part of a view with a title of its own. */
export function section(title, ...children) {
  const id = freshId('section');
  return element('section', { 'aria-labelledby': id, class: 'panel' }, element('h2', { id }, title), children);
}

/** A button. While `act` goes on it cannot be pressed again; trouble is shown in `place`, or beside the button. */
export function button(text, act, { kind = '', place = null, label = null, disabled = false } = {}) {
  const made = element('button', { type: 'button', class: kind || null, 'aria-label': label, disabled }, text);
  made.addEventListener('click', async () => {
    made.disabled = true;
    try {
      await act(made);
    } catch (error) {
      showTrouble(error, place ?? made.closest('dialog')?.querySelector('.trouble-place') ?? pageTrouble());
    } finally {
      made.disabled = false;
    }
  });
  return made;
}

function pageTrouble() {
  const content = document.getElementById('content');
  let place = content.querySelector('.head + .trouble-place');
  if (!place) {
    place = element('div', { class: 'trouble-place' });
    content.querySelector('.head').after(place);
  }
  return place;
}

/** Shows what went wrong and the next step; `problem` as in the API (`detail`, `hint`) or an error. */
export function trouble(problem) {
  return element('div', { class: 'trouble', role: 'alert' },
    element('p', {}, named(problem.detail ?? problem.message, '')),
    problem.hint && element('p', { class: 'hint' }, named(problem.hint, '')));
}

/** Puts trouble in a place; an abandoned request is none. */
export function showTrouble(error, place) {
  if (error.name === 'AbortError') return;
  if (!('status' in error)) console.error(error);
  refill(place, trouble(error));
  place.scrollIntoView({ block: 'nearest' });
}

/** What to do where there is nothing to show. */
export function empty(what, next) {
  return element('div', { class: 'empty' }, element('p', { class: 'empty-what' }, what), element('p', {}, next));
}

/** That something is on its way. */
export const loading = () => element('p', { class: 'loading', role: 'status' }, 'Loading …');

/** Loads and shows, with words for both what takes long and what goes wrong. */
export async function loaded(place, load, render) {
  refill(place, loading());
  try {
    const value = await load();
    refill(place, render(value));
  } catch (error) {
    if (error.name === 'AbortError') return;
    refill(place, element('div', { class: 'trouble-place' }));
    showTrouble(error, place.firstChild);
  }
}

/**
 * A table that becomes a list of cards where the window is narrow. The roles keep it a table for those who hear it, whatever the
 * style makes of it. `columns`: `{ title, cell, className }`, `cell` gives the children for one row.
 */
export function table(caption, columns, rows, rowAttributes = () => ({})) {
  const head = columns.map(({ title, className }) => {
    return element('th', { scope: 'col', role: 'columnheader', class: className }, title || element('span', { class: 'unseen' }, 'Actions'));
  });
  const body = rows.map((row) => {
    const cells = columns.map(({ title, cell, className }, index) => {
      const [tag, role] = index === 0 ? ['th', 'rowheader'] : ['td', 'cell'];
      const attributes = { role, class: className, 'data-title': title || null, scope: index === 0 ? 'row' : null };
      return element(tag, attributes, element('div', { class: 'cell' }, cell(row)));
    });
    return element('tr', { role: 'row', ...rowAttributes(row) }, cells);
  });
  return element('table', { role: 'table', class: 'cards' },
    element('caption', { class: 'unseen' }, caption),
    element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, head)),
    element('tbody', { role: 'rowgroup' }, body));
}

/** Terms and what they mean here; what is empty is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '');
  return element('dl', { class: 'facts' },
    shown.map(([term, value]) => element('div', {}, element('dt', {}, term), element('dd', {}, value))));
}

/** A labelled field. `control` gets the label; `hint` is read with it. */
export function field(label, control, hint = '') {
  control.id ||= freshId('field');
  const described = hint && freshId('hint');
  if (hint) control.setAttribute('aria-describedby', described);
  return element('div', { class: 'field' },
    element('label', { for: control.id }, label), control,
    hint && element('p', { class: 'hint', id: described }, hint));
}

/** A choice that is on or off, with a sentence of what it means. */
export function check(label, { checked = false, hint = '', name = null, value = null, onchange = null } = {}) {
  const control = element('input', { type: 'checkbox', id: freshId('check'), name, value, checked, onchange });
  const described = hint && freshId('hint');
  if (hint) control.setAttribute('aria-describedby', described);
  const made = element('div', { class: 'check' }, control,
    element('div', {}, element('label', { for: control.id }, label), hint && element('p', { class: 'hint', id: described }, hint)));
  return { made, control };
}

/** A choice of one; `options` from value to what it is called. */
export function select(options, { value = '', onchange = null, name = null } = {}) {
  const made = element('select', { name, onchange }, Object.entries(options).map(([key, text]) => element('option', { value: key }, text)));
  made.value = value;
  return made;
}

/**
 * Asks something in front of the page. `act` is awaited when the button is pressed; trouble stays in the dialog. Escape, or
 * Cancel, leaves without doing anything.
 */
export function ask({ title, body, action, kind = 'primary', act }) {
  const id = freshId('dialog');
  const place = element('div', { class: 'trouble-place' });
  const submit = element('button', { type: 'submit', class: kind }, action);
  const cancel = element('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const form = element('form', { method: 'dialog' },
    element('h2', { id }, title), fill(element('div', { class: 'dialog-body' }), body), place,
    element('div', { class: 'actions' }, cancel, submit));
  const dialog = element('dialog', { 'aria-labelledby': id }, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await act();
      dialog.close();
    } catch (error) {
      showTrouble(error, place);
    } finally {
      submit.disabled = false;
    }
  });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  if (kind === 'danger') cancel.focus();
  return dialog;
}

/** Tells it in the corner for a while, and to those who listen. */
export function tell(text) {
  say(text);
  const note = element('div', { class: 'note', 'aria-hidden': 'true' }, text);
  document.body.append(note);
  setTimeout(() => note.remove(), 5000);
}
