// Builds what is on the page. Text always goes in as text, never as markup: names come from datastores, and may be hostile.

/**
 * One element. `attributes`: `onclick` and the like take functions, `true` sets an attribute without a value, and what is
 * `false`, null or undefined is left out. `children`: elements, texts, numbers, lists of those; nothing where there is nothing.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') made.addEventListener(name.slice(2), value);
    else if (name === 'value') made.value = value;
    else made.setAttribute(name, value === true ? '' : String(value));
  }
  fill(made, ...children);
  return made;
}

/** Puts children at the end of an element. */
export function fill(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === false || child === null || child === undefined || child === '') continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return parent;
}

/** Puts children in the place of those that are there. */
export function refill(parent, ...children) {
  parent.replaceChildren();
  return fill(parent, ...children);
}

// Control characters, and those that turn the direction of text or are not seen: they would let a name pass for another.
const DECEIVING = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** A text of others with what deceives the eye made visible. */
export function plain(text) {
  return String(text).replace(DECEIVING, (character) => {
    return `\\u{${character.codePointAt(0).toString(16)}}`;
  });
}

/** A name that others gave, kept apart from the text around it. */
export function named(text, className = 'name') {
  return element('bdi', { class: className }, plain(text));
}

let lastId = 0;

/** An id that no other element has. */
export function freshId(word) {
  lastId += 1;
  return `${word}-${lastId}`;
}

/** Has a screen reader say something, once. */
export function say(text) {
  document.getElementById('said').textContent = text;
}
