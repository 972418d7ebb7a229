// What plugins noticed.
import { element, named } from './elements.js';
import { SEVERITIES, badge } from './words.js';

/** A list of findings, the worst first. */
export function findings(all) {
  if (!all.length) return element('p', { class: 'hint' }, 'Nothing to tell.');
  const sorted = [...all].sort((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity));
  return element('ul', { class: 'findings' }, sorted.map((finding) => element('li', {},
    badge(finding.severity),
    element('div', {},
      element('p', {}, named(finding.message, '')),
      finding.hint && element('p', { class: 'hint' }, named(finding.hint, ''))))));
}
