// Headless Chromium, watched: nothing on the console, no request to another place, and no serious finding of axe.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const target = process.env.LOCKGATE_PAGE_TARGET;
const packages = createRequire(`${target}/package.json`);
const { chromium } = packages('playwright-core');
const axe = readFileSync(packages.resolve('axe-core/axe.min.js'), 'utf8');
const screenshots = join(target, 'screenshots');

/** Light and dark, wide and as narrow as telephones are. */
export const LOOKS = [
  { name: 'light-wide', colorScheme: 'light', viewport: { width: 1280, height: 900 } },
  { name: 'dark-wide', colorScheme: 'dark', viewport: { width: 1280, height: 900 } },
  { name: 'light-narrow', colorScheme: 'light', viewport: { width: 360, height: 740 } },
  { name: 'dark-narrow', colorScheme: 'dark', viewport: { width: 360, height: 740 } },
];

/** Starts the browser. */
export async function open(service) {
  mkdirSync(screenshots, { recursive: true });
  // The sandbox of Chromium does not start for root; what it shows here is ours.
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const trouble = [];
  return { tab: (look = LOOKS[0]) => tab(browser, service, trouble, look), trouble, close: () => browser.close() };
}

async function tab(browser, service, trouble, { colorScheme, viewport }) {
  const context = await browser.newContext({ colorScheme, viewport, reducedMotion: 'reduce', acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  // Chromium writes a line for each answer from 400 on, also where a test asks for one.
  page.on('console', (message) => {
    const isExpected = page.expectsRefusal && message.text().startsWith('Failed to load resource');
    if (['error', 'warning'].includes(message.type()) && !isExpected) trouble.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => trouble.push(`page: ${error.stack}`));
  page.on('dialog', (dialog) => trouble.push(`a name was run: ${dialog.message()}`));
  page.on('request', (request) => {
    const isOwn = request.url().startsWith(`${service.url}/`) || request.url().startsWith(`blob:${service.url}/`);
    if (!isOwn) trouble.push(`request to ${request.url()}`);
  });
  await page.goto(`${service.url}/`);
  return page;
}

/** Signs in and waits for the overview. */
export async function signIn(page, token) {
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor();
}

/** Goes to a view by its address, and waits until it is there. */
export async function goTo(page, service, hash, title) {
  await page.goto(`${service.url}/#/${hash}`);
  await page.getByRole('heading', { name: title, level: 1 }).waitFor();
}

/** Takes a picture of the whole page. */
export const picture = (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });

/** Fails when axe finds something serious (WCAG 2.2 A and AA, and what axe calls best practice), or the page is wider than its window. */
export async function assertAccessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const told = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.html).join(' ')}`);
  assert.deepEqual(told, [], where);
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(beyond <= 0, `${where} is ${beyond} px wider than its window`);
}
