// The operators' page in a real browser: a service under load, one that stalls, the keyboard, and what the page must not do.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { AppWindow, launchBrowser } from './browser.mjs';
import { PAPER, range } from './fixtures.mjs';
import { MetricsProbe } from './metrics-probe.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

let browser, service, admin, ana, busy, quiet, load;
const clients = [];

before(async () => {
  const { settings } = await MetricsProbe.prepare();
  admin = `http://${settings.VAULTCAST__ADMIN__BIND}`;
  // One mutation in each transaction, so that the others of the load wait in the vault's queue.
  const starting = TestServer.start('serve', { VAULTCAST__ACTORS__COMMIT_BATCH: '1', VAULTCAST__ACTORS__VAULT_MAILBOX: '8', ...settings });
  [service, browser] = await Promise.all([starting, launchBrowser()]);
  ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
  const newVault = async (name) => ({ id: (await ana.post('/api/vaults', { name })).expectStatus(201).body.id });
  [quiet, busy] = [await newVault('Quiet'), await newVault('Busy')];
  for (const transports of [['websocket'], ['polling']]) {
    const client = new TestClient(service.url, { auth: { token: ana.token() }, transports });
    clients.push(client);
    await client.nextEvent('connect');
    await client.join(busy);
    await client.join(quiet);
  }
  load = startLoad(12);
});
after(async () => {
  for (const client of clients) client.close();
  try {
    await load?.stop();
  } finally {
    await browser?.close();
    await service?.dispose();
  }
});

/** Adds sources to the busy vault, more at a time than its queue holds, until it is stopped. */
function startLoad(concurrency) {
  let running = true;
  const lanes = range(1, concurrency).map(async () => {
    while (running) {
      const { status } = await ana.post(`/api/vaults/${busy.id}/sources`, PAPER);
      assert([201, 503].includes(status), `${status}`);
      // A full queue needs no busy loop.
      if (status === 503) await pause(20);
    }
  });
  const done = Promise.all(lanes);
  // `stop` rejects with the error; until then it must not count as an unhandled rejection.
  done.catch(() => {});
  return {
    stop: () => {
      running = false;
      return done;
    },
  };
}

/** Opens the page and waits until it shows the service. */
async function openPage(options) {
  const window = await AppWindow.open(browser, admin, options);
  await window.goto('/');
  await window.page.getByRole('heading', { name: 'What needs attention' }).waitFor();
  return window;
}

const vaults = (page) => page.getByRole('table', { name: 'Vaults in memory' }).getByRole('row');
const chart = (page, name) => page.getByRole('slider', { name: `${name}: time` });

/** Waits until the last sample of a plot has such values. Single samples may be of a moment without commits. */
async function waitForValue(page, name, pattern) {
  const deadline = Date.now() + 120_000;
  for (;;) {
    const text = await chart(page, name).getAttribute('aria-valuetext');
    if (pattern.test(text)) return;
    assert(Date.now() < deadline, `${name}: ${text}`);
    await pause(200);
  }
}

test('a vault under load comes first, plots have data, and what was refused is named', { timeout: 300_000 }, async () => {
  const window = await openPage({ viewport: { width: 1440, height: 900 } });
  const { page } = window;
  await page.getByText('Ready', { exact: true }).waitFor();
  // The queue is empty for a moment now and then.
  await vaults(page).nth(1).filter({ hasText: busy.id }).filter({ hasText: /[1-8] \/ 8/ }).waitFor({ timeout: 120_000 });
  await page.getByText(/^actors\.vault_mailbox was reached [\d,]+ times in the last minute$/).waitFor();
  const queue = page.getByRole('table', { name: 'Each bound with its use and outcome' }).getByRole('row', { name: /^actors\.vault_mailbox/ });
  await queue.getByText('503 VAULT_BUSY').waitFor();

  for (const name of ['Mailbox wait', 'Commit latency', 'Deliveries', 'Closes by reason', 'Sockets']) await chart(page, name).waitFor();
  await waitForValue(page, 'Commit latency', /^\d\d:\d\d:\d\d: p50 [\d.]+ (µs|ms|s), p99 [\d.]+ (µs|ms|s)$/);
  await waitForValue(page, 'Sockets', /: websocket 1, polling 1$/);
  await waitForValue(page, 'Mailbox wait', /vault [\d.]+ (µs|ms|s), .*committer [\d.]+ (µs|ms|s)$/);
  // The plot has a line as soon as there are two samples.
  await chart(page, 'Deliveries').locator('svg path').first().waitFor();
  await window.close();
});

test('the vaults are filtered and ordered, and the plots are read, by keyboard alone', { timeout: 300_000 }, async () => {
  const window = await openPage({ viewport: { width: 1024, height: 900 } });
  const { page } = window;
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'content');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.type), 'search');
  await page.keyboard.type(quiet.id.slice(4));
  await page.getByText('1 of 1 matching vaults in memory').waitFor();
  assert.equal(await vaults(page).count(), 2);
  await page.keyboard.press('Control+A');
  await page.keyboard.type('none');
  await page.getByRole('heading', { name: 'No vault matches' }).waitFor();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.press('Tab');
  // Its first letter chooses the order by vault id.
  await page.keyboard.press('v');
  const ids = [busy.id, quiet.id].sort();
  await vaults(page).nth(1).filter({ hasText: ids[0] }).waitFor();

  const plot = chart(page, 'Commit latency');
  await plot.waitFor();
  const isFocused = () => plot.evaluate((element) => element === document.activeElement);
  for (let presses = 0; presses < 100 && !(await isFocused()); presses += 1) await page.keyboard.press('Tab');
  assert(await isFocused());
  await page.keyboard.press('Home');
  assert.equal(await plot.getAttribute('aria-valuenow'), '0');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const table = page.getByRole('table', { name: 'Commit latency, last 15 minutes' });
  await table.getByRole('row').nth(1).getByText(/^\d\d:\d\d:\d\d$/).waitFor();
  await window.close();
});

test('the page is accessible in light and dark, wide and narrow, and does not scroll sideways', { timeout: 300_000 }, async () => {
  const states = [
    { colorScheme: 'light', viewport: { width: 1440, height: 900 } },
    { colorScheme: 'dark', viewport: { width: 1440, height: 900 } },
    { colorScheme: 'light', viewport: { width: 390, height: 844 } },
    { colorScheme: 'dark', viewport: { width: 390, height: 844 } },
  ];
  await Promise.all(states.map(async (state) => {
    const window = await openPage(state);
    await chart(window.page, 'Memory').waitFor();
    await window.checkAccessibility(JSON.stringify(state));
    const overflow = await window.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, JSON.stringify(state));
    await window.close();
  }));
});

test('a service that stalls is shown as such with its last data, and one that ended and came back is followed', { timeout: 300_000 }, async () => {
  const window = await openPage();
  const { page } = window;
  // A request that waits for seconds in a stopped process is answered 408 afterwards.
  await load.stop();
  load = undefined;
  service.signal('SIGSTOP');
  try {
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('alert').getByText('The service does not answer').waitFor();
    await page.getByRole('status').getByText(/^Data from \d\d:\d\d:\d\d; connection lost, retrying$/).waitFor();
    await page.getByText('Does not answer', { exact: true }).waitFor();
    assert.equal(await page.getByText('All clear').count(), 0);
    assert.equal(await vaults(page).filter({ hasText: busy.id }).count(), 1);
    await window.checkAccessibility('connection lost');
  } finally {
    service.signal('SIGCONT');
  }
  await page.getByRole('alert').waitFor({ state: 'detached' });
  await page.getByText('Ready', { exact: true }).waitFor();

  await service.kill();
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText('Does not answer', { exact: true }).waitFor();
  await service.restart();
  await page.getByText('Ready', { exact: true }).waitFor();
  await page.getByText(/^up \d+ s$/).waitFor();
  await window.close();
});

test('a hidden page does not poll', { timeout: 300_000 }, async () => {
  const window = await openPage();
  const { page } = window;
  const hide = (hidden) => page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
  await hide(true);
  await page.getByRole('status').getByText(/; paused$/).waitFor();
  const polled = page.waitForRequest(/\/actors/);
  await hide(false);
  await polled;
  await page.getByRole('status').getByText(/^Data from \d\d:\d\d:\d\d$/).waitFor();
  await window.close();
});
