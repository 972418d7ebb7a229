// What is in a backup, folder by folder.
import { get, query } from '../api.js';
import { download, shownName } from '../download.js';
import { element, named, refill } from '../elements.js';
import { at, bytes } from '../format.js';
import { button, empty, heading, section, table } from '../parts.js';

const PAGE_ENTRIES = 200;

const isFolder = (entry) => entry.kind === 'directory';
const isFile = (entry) => entry.kind === 'regular';
const kindInWords = (kind) => ({ regular: 'file', directory: 'folder', symlink: 'link' })[kind] ?? kind.replace('-', ' ');
const address = (id, path) => `#/backups/${encodeURIComponent(id)}/files${query({ path })}`;

/** The way from the top of the snapshot to a folder. */
function crumbs(id, path) {
  const names = path.split('/').filter(Boolean);
  const steps = names.map((name, index) => [name, names.slice(0, index + 1).join('/')]);
  const links = [['All sources', ''], ...steps].map(([name, to], index, all) => {
    const isLast = index === all.length - 1;
    return element('li', {}, isLast ? element('span', { 'aria-current': 'location' }, named(shownName(name))) : element('a', { href: address(id, to) }, named(shownName(name))));
  });
  return element('nav', { 'aria-label': 'Folders above', class: 'crumbs' }, element('ol', {}, links));
}

function rows(id, entries) {
  return table('Entries', [
    {
      title: 'Name',
      cell: (entry) => (isFolder(entry)
        ? element('a', { class: 'folder', href: address(id, entry.path) }, named(shownName(entry.name)))
        : element('span', { class: isFile(entry) ? 'file' : 'other' }, named(shownName(entry.name)))),
    },
    { title: 'Kind', cell: (entry) => kindInWords(entry.kind) },
    { title: 'Size', className: 'number', cell: (entry) => (isFile(entry) ? bytes(entry.bytes) : '') },
    { title: 'Changed', cell: (entry) => (entry.modified ? at(entry.modified) : '') },
    {
      title: '', className: 'end',
      cell: (entry) => (isFile(entry) ? button('Download', () => download(id, entry), { label: `Download ${entry.name}` }) : ''),
    },
  ], entries);
}

/** The view. */
export async function show(place, route, signal) {
  const path = route.query.get('path') ?? '';
  const load = (after) => get(`/backups/${encodeURIComponent(route.id)}/entries${query({ path, after, limit: PAGE_ENTRIES })}`, signal);
  const all = [];
  const list = element('div', {});
  const more = element('div', { class: 'actions' });
  const add = ({ entries, next }) => {
    all.push(...entries);
    refill(list, all.length ? rows(route.id, all) : empty('This folder is empty.', 'Go up, or back to the backup.'));
    refill(more, next !== null && next !== undefined && button('Show more', async () => add(await load(next))));
  };
  add(await load());
  place.append(
    heading('Browse', { back: { href: `#/backups/${encodeURIComponent(route.id)}`, text: 'The backup' }, about: ['Everything in ', named(route.id), ', as it was saved.'] }),
    section('Folder', crumbs(route.id, path), list, more),
  );
}
