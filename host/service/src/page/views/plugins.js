// What is installed, and what it may do.
import { get } from '../api.js';
import { element, named, plain } from '../elements.js';
import { empty, facts, heading } from '../parts.js';

function card(plugin) {
  const title = element('h2', {}, named(plugin.name), ' ', element('span', { class: 'version' }, plain(plugin.version)));
  const { summary, refusal, ...others } = plugin.attributes;
  const attributes = Object.entries(others);
  return element('article', { class: 'panel plugin' },
    element('div', { class: 'job-head' }, title,
      plugin.is_locked ? element('span', { class: 'badge good' }, 'Locked: may run') : element('span', { class: 'badge warning' }, 'Not locked: does not run')),
    summary && element('p', {}, named(summary, '')),
    refusal && element('p', { class: 'warn' }, named(refusal, '')),
    plugin.permissions.length
      ? [element('h3', {}, 'It may'), element('ul', { class: 'permissions' }, plugin.permissions.map((line) => element('li', {}, named(line, ''))))]
      : element('p', {}, 'It may reach nothing.'),
    !plugin.is_locked && !refusal && element('p', { class: 'hint' }, 'To accept it: ', element('code', {}, `lockgate plugin grant ${plain(plugin.name)}`)),
    facts([
      ['Signed by', plugin.signed_by.length ? plugin.signed_by.map((name, index) => [index ? ', ' : '', named(name)]) : 'nobody'],
      ['SHA-256', element('span', { class: 'mono' }, plugin.digest)],
    ]),
    attributes.length > 0 && element('details', {}, element('summary', {}, 'What it says of itself'), facts(attributes.map(([key, value]) => [plain(key), named(value, '')]))));
}

/** The view. */
export async function show(place, route, signal) {
  const plugins = await get('/plugins', signal);
  place.append(
    heading('Plugins', { about: 'Each runs in a jail of its own and reaches what it asks for and the configuration gives, nothing else.' }),
    plugins.length
      ? element('div', { class: 'cards-grid' }, [...plugins].sort((a, b) => a.name.localeCompare(b.name)).map(card))
      : empty('No plugin is installed.', ['Put components into the folder of plugins and accept them with ', element('code', {}, 'lockgate plugin lock'), '.']),
  );
}
