// What people do with the page, in the order in which they do it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { LOOKS, assertAccessible, goTo, open, picture, signIn } from './browser.js';
import { HOSTILE, start } from './service.js';

const JOB_MAX_MS = 90_000;
let service;
let browser;
let page;

before(async () => {
  service = await start();
  browser = await open(service);
  page = await browser.tab();
});

after(async () => {
  await browser?.close();
  assert.equal(await service?.stop(), 0, 'the service ends cleanly');
});

/** The state of the job that is shown. */
const jobState = (state) => page.locator('.facts .badge', { hasText: state }).waitFor({ timeout: JOB_MAX_MS });
const api = (path, options = {}, token = service.tokens.ada) => fetch(`${service.url}/api/v1${path}`, { ...options, headers: { Authorization: `Bearer ${token}`, ...options.headers } });
const newest = async () => (await (await api('/backups?limit=1')).json())[0];

test('the page is served with a policy that lets nothing else run', async () => {
  for (const path of ['/', '/page/main.js', '/page/views/overview.js']) {
    const response = await fetch(service.url + path);
    assert.equal(response.status, 200, path);
    const policy = response.headers.get('content-security-policy');
    assert.match(policy, /default-src 'self'/, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.doesNotMatch(policy, /unsafe/, path);
  }
  assert.equal((await fetch(`${service.url}/page/mod.rs`)).status, 404);
});

test('a wrong token is refused with the reason', async () => {
  await assertAccessible(page, 'sign-in');
  page.expectsRefusal = true;
  await page.getByLabel('Token').fill('not-a-token');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  page.expectsRefusal = false;
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
});

test('signed in, the overview says what has no backup, and is the first thing that is read', async () => {
  await signIn(page, service.tokens.ada);
  await page.getByRole('row', { name: /home/ }).getByText('Never').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
  assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 1, '']);
});

test('a backup is made, and seen while it is made', async () => {
  await page.getByRole('button', { name: 'Back up now' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('What').selectOption('site');
  await dialog.getByLabel('Label').fill('no');
  await dialog.getByRole('button', { name: 'Back up' }).click();
  assert.ok(await dialog.isVisible(), 'a label that is none is not sent');
  await dialog.getByLabel('Label').fill('first-try');
  await assertAccessible(page, 'the question of a backup');
  await picture(page, 'back-up-dialog');
  await dialog.getByRole('button', { name: 'Back up' }).click();
  await page.getByRole('heading', { name: 'Backup of site', level: 1 }).waitFor();
  const seen = new Set();
  const words = page.locator('.progress-words');
  while (!(await page.locator('.facts .badge', { hasText: /Done|Failed/ }).count())) {
    if (await words.isVisible()) seen.add(await words.textContent());
    if (seen.size === 3) await picture(page, 'job-running');
    await page.waitForTimeout(100);
  }
  await jobState('Done');
  assert.ok(seen.size > 3, `progress moved: ${[...seen]}`);
  assert.ok([...seen].some((text) => /MiB of .* MiB|[1-9][0-9.]* MiB/.test(text)), `bytes were told: ${[...seen]}`);
  await page.getByText('What happened').click();
  await picture(page, 'job-done');
  await page.getByRole('link', { name: 'Open the backup' }).click();
  await page.getByRole('heading', { name: 'Backup first-try', level: 1 }).waitFor();
  await page.locator('.facts .badge', { hasText: 'Ready' }).waitFor();
});

test('folders are browsed, hostile names are text, and a download is the file', async () => {
  await page.getByRole('link', { name: 'Browse' }).click();
  for (const name of ['home', 'docs', 'letters']) await page.getByRole('link', { name, exact: true }).first().click();
  await page.getByText(HOSTILE.replace('\u202e', '\\u{202e}')).waitFor();
  assert.equal(await page.locator('main img').count(), 0);
  await page.getByRole('navigation', { name: 'Folders above' }).getByRole('link', { name: 'docs' }).click();
  for (const name of ['large.bin']) {
    const downloaded = page.waitForEvent('download');
    await page.getByRole('button', { name: `Download ${name}` }).click();
    const download = await downloaded;
    assert.equal(download.suggestedFilename(), name);
    assert.ok(readFileSync(await download.path()).equals(service.file(name)), `${name} is equal`);
  }
});

test('a restore begins only when the plan of just this request was seen', async () => {
  const { id } = await newest();
  const letter = join(service.data, 'letters', 'first.txt');
  writeFileSync(letter, 'changed since\n');
  await goTo(page, service, 'restore', 'Restore');
  await page.getByRole('link', { name: `Restore … ${id}` }).click();
  const button = page.getByRole('main').getByRole('button', { name: 'Restore …' });
  const plan = page.getByRole('button', { name: 'Show the plan' });
  assert.ok(await button.isDisabled());
  await page.getByLabel('Replace what is in the way').check();
  await plan.click();
  await page.getByText('in this order').waitFor({ timeout: JOB_MAX_MS });
  assert.ok(await button.isEnabled());
  await page.getByLabel('desk', { exact: true }).uncheck();
  assert.ok(await button.isDisabled(), 'a change takes the plan away');
  await page.getByText('Have the plan shown again').waitFor();
  await plan.click();
  await page.locator('.warn', { hasText: 'may disagree' }).waitFor({ timeout: JOB_MAX_MS });
  await picture(page, 'restore-plan');
  await button.click();
  const dialog = page.getByRole('dialog');
  await assertAccessible(page, 'the question of a restore');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel', 'Enter alone replaces nothing');
  await page.keyboard.press('Escape');
  assert.equal(await dialog.count(), 0);
  assert.equal(readFileSync(letter, 'utf8'), 'changed since\n');
  await button.click();
  await dialog.getByRole('button', { name: 'Restore' }).click();
  await jobState('Done');
  await page.getByRole('row', { name: /home/ }).getByText('Ready').waitFor();
  await picture(page, 'restore-done');
  assert.equal(readFileSync(letter, 'utf8'), 'Dear reader,\n');
});

test('a stream that breaks is continued behind the last event', async () => {
  const [job] = await (await api('/jobs?kind=backup&limit=1')).json();
  const asked = [];
  await page.route('**/jobs/*/events', async (route) => {
    asked.push(await route.request().headerValue('last-event-id'));
    if (asked.length > 1) return route.continue();
    const whole = await (await api(`/jobs/${job.id}/events`)).text();
    const events = whole.split('\n\n').filter((event) => /^id:/m.test(event)).slice(0, 2);
    return route.fulfill({ contentType: 'text/event-stream', body: `${events.join('\n\n')}\n\n` });
  });
  await goTo(page, service, `jobs/${job.id}`, 'Backup of site');
  await page.getByText('What happened').click();
  await page.locator('.log li', { hasText: 'Done' }).waitFor();
  await page.unroute('**/jobs/*/events');
  assert.deepEqual(asked, [null, '2']);
  const shown = await page.locator('.log li').allTextContents();
  assert.equal(shown.filter((line) => /Stage plan/.test(line)).length, 1, `nothing is told twice: ${shown}`);
});

test('a job is cancelled', async () => {
  await goTo(page, service, 'overview', 'Overview');
  await page.getByRole('button', { name: 'Back up home' }).click();
  await page.getByText('More options').click();
  writeFileSync(join(service.data, 'large.bin'), Buffer.from(service.file('large.bin').map((byte) => byte ^ 85)));
  await page.getByLabel('Read everything').check();
  await page.getByRole('dialog').getByRole('button', { name: 'Back up' }).click();
  await page.getByRole('heading', { name: 'Backup of home', level: 1 }).waitFor();
  await page.getByRole('button', { name: 'Cancel this job' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the job' }).click();
  await jobState('Cancelled');
});

test('health is looked at, and told', async () => {
  await goTo(page, service, 'health', 'Health');
  await page.getByRole('button', { name: 'Look at all now' }).click();
  await page.getByText('looked at', { exact: false }).first().waitFor({ timeout: JOB_MAX_MS });
});

test('a schedule is run when someone wants it now', async () => {
  await goTo(page, service, 'schedules', 'Schedules');
  await page.getByRole('row', { name: /yearly/ }).getByText('not yet').waitFor();
  await page.getByRole('button', { name: 'Run now: yearly' }).click();
  await jobState('Done');
  assert.equal((await (await api('/backups?label=yearly')).json()).length, 1);
});

test('every view is accessible, in light and dark, wide and narrow', async () => {
  const of = async (query) => (await (await api(`/backups?source=home&limit=1${query}`)).json())[0].id;
  const [id, ready] = [await of(''), await of('&state=READY')];
  const [job] = await (await api('/jobs?kind=restore&limit=1')).json();
  const views = [
    ['overview', 'Overview'], ['jobs', 'Jobs'], [`jobs/${job.id}`, 'Restore of', 'job'], ['backups', 'Backups'],
    [`backups/${ready}`, 'Backup ', 'backup'], [`backups/${id}`, 'Backup ', 'backup-cancelled'],
    [`backups/${ready}/files?path=home%2Fdocs`, 'Browse', 'files'], ['restore', 'Restore'], [`restore/${ready}`, 'Restore ', 'restore-form'],
    ['health', 'Health'], ['schedules', 'Schedules'], ['plugins', 'Plugins'], ['audit', 'Audit'],
  ];
  for (const look of LOOKS) {
    const tab = await browser.tab(look);
    let streams = 0;
    tab.on('request', (request) => {
      streams += request.url().endsWith('/api/v1/events') ? 1 : 0;
    });
    await picture(tab, `sign-in-${look.name}`);
    await signIn(tab, service.tokens.ada);
    for (const [hash, title, name = hash] of views) {
      await goTo(tab, service, hash, title);
      await tab.waitForLoadState('load');
      await assertAccessible(tab, `${name} ${look.name}`);
      await picture(tab, `${name}-${look.name}`);
    }
    assert.equal(streams, 1, 'views share one stream of all jobs');
    await tab.context().close();
  }
});

test('the menu of a narrow window opens, closes and is left by keyboard', async () => {
  const tab = await browser.tab(LOOKS[2]);
  await signIn(tab, service.tokens.ada);
  const menu = tab.getByRole('button', { name: 'Menu' });
  await menu.focus();
  await tab.keyboard.press('Enter');
  await tab.getByRole('link', { name: 'Audit' }).waitFor();
  await assertAccessible(tab, 'the open menu');
  await picture(tab, 'menu-narrow');
  await tab.keyboard.press('Escape');
  assert.equal(await menu.getAttribute('aria-expanded'), 'false');
  assert.ok(!(await tab.getByRole('link', { name: 'Audit' }).isVisible()));
  await tab.context().close();
});

test('the keyboard alone reaches everything, and a focus is seen', async () => {
  await goTo(page, service, 'overview', 'Overview');
  await page.evaluate(() => document.activeElement.blur());
  const reached = [];
  for (let press = 0; press < 40; press += 1) {
    await page.keyboard.press('Tab');
    const at = await page.evaluate(() => {
      const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      return { text: document.activeElement.textContent.trim(), isSeen: outlineStyle !== 'none' && outlineWidth !== '0px' };
    });
    if (reached.some(({ text }) => text === at.text) && at.text.startsWith('Skip')) break;
    reached.push(at);
  }
  const texts = reached.map(({ text }) => text);
  for (const wanted of ['Skip to the content', 'lockgate', 'Jobs', 'Audit', 'Sign out', 'Back up now', 'Back up']) {
    assert.ok(texts.includes(wanted), `${wanted} in ${texts}`);
  }
  const unseen = reached.filter(({ text, isSeen }) => text && !isSeen && !/^Skip/.test(text) && text.length < 60);
  assert.deepEqual(unseen, []);
});

test('a viewer is offered nothing that a viewer may not do', async () => {
  const tab = await browser.tab();
  await signIn(tab, service.tokens.vic);
  await picture(tab, 'viewer-overview');
  const { id } = await newest();
  const links = await tab.getByRole('navigation', { name: 'Views' }).getByRole('link').allTextContents();
  assert.deepEqual(links, ['Overview', 'Jobs', 'Backups', 'Health', 'Schedules', 'Plugins']);
  for (const [hash, title] of [['overview', 'Overview'], ['jobs', 'Jobs'], [`backups/${id}`, 'Backup '], ['health', 'Health'], ['schedules', 'Schedules']]) {
    await goTo(tab, service, hash, title);
    assert.deepEqual(await tab.getByRole('main').getByRole('button').allTextContents(), [], hash);
    assert.equal(await tab.getByRole('link', { name: /Restore …|Browse/ }).count(), 0, hash);
  }
  // And if it were: the service decides.
  assert.equal((await api('/backups', { method: 'POST', body: '{"name":"home"}', headers: { 'Content-Type': 'application/json' } }, service.tokens.vic)).status, 403);
  await tab.context().close();
});

test('a backup is deleted, after a question', async () => {
  const { id } = await newest();
  await goTo(page, service, `backups/${id}`, 'Backup ');
  await page.getByRole('button', { name: 'Delete' }).click();
  await picture(page, 'delete-dialog');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the backup' }).click();
  await page.getByRole('heading', { name: 'Backups', level: 1 }).waitFor();
  assert.equal((await api(`/backups/${id}`)).status, 404);
});

test('signing out forgets the token, and the address does not bring it back', async () => {
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Token').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  await page.goto(`${service.url}/#/audit`);
  await page.getByLabel('Token').waitFor();
});

test('nothing was on the console, and nothing was asked of another place', () => {
  assert.deepEqual(browser.trouble, []);
});
