// Brings the bytes of an entry to the reader's disk.
import { content, query } from './api.js';

// What is larger goes to the disk as it comes, where the browser can do that.
const IN_MEMORY_MAX = 64 * 1024 * 1024;

/** A name as it is: the API writes `%` as `%25`, and bytes that are no text as `%` and two digits, which stay so. */
export const shownName = (name) => name.replaceAll('%25', '%');

/** Downloads an entry of a backup. A link could not say who asks, so the page fetches it. */
export async function download(backup, entry) {
  const name = shownName(entry.name);
  const from = `/backups/${encodeURIComponent(backup)}/content${query({ path: entry.path })}`;
  if (entry.bytes > IN_MEMORY_MAX && 'showSaveFilePicker' in window) {
    const file = await window.showSaveFilePicker({ suggestedName: name });
    const response = await content(from);
    return response.body.pipeTo(await file.createWritable());
  }
  const response = await content(from);
  // Never as what it says it is: a page among the entries must not run here.
  const bytes = new Blob([await response.arrayBuffer()], { type: 'application/octet-stream' });
  const address = URL.createObjectURL(bytes);
  const link = document.createElement('a');
  [link.href, link.download] = [address, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return undefined;
}
