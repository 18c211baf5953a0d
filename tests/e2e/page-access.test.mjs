// The app is accessible: its main path with the keyboard alone, and axe-core without violations on every page and state, light and dark.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AppWindow, launchBrowser } from './browser.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const VAULT = 'cdemovault0000000000000000';

let demo;
let service;
let browser;
before(async () => {
  [demo, service, browser] = await Promise.all([TestServer.start('demo'), TestServer.start('serve', { VAULTCAST__SERVER__PAGE: 'true' }), launchBrowser()]);
});
after(async () => {
  await browser?.close();
  await Promise.all([demo?.dispose(), service?.dispose()]);
});

/** Runs a test in a window without a session, and closes it. */
async function inWindow(url, run, options) {
  const window = await AppWindow.open(browser, url, options);
  try {
    await run(window, window.page);
  } finally {
    await window.close();
  }
}

/** Presses Tab until the element with this role and name has the focus, at most `limit` times. */
async function tabTo(page, role, name, limit = 40) {
  const target = page.getByRole(role, { name, exact: typeof name === 'string' }).first();
  await target.waitFor();
  for (let presses = 0; presses < limit; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) {
      assert.notEqual(await target.evaluate((element) => getComputedStyle(element).outlineStyle), 'none', `the focus on ${name} is not visible`);
      return;
    }
    await page.keyboard.press('Tab');
  }
  assert.fail(`${role} "${name}" is not reached with Tab`);
}

test('the main path works with the keyboard alone', { timeout: 240_000 }, () =>
  inWindow(demo.url, async (window, page) => {
    await page.goto('/');
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    await tabTo(page, 'link', /^Sign in as Olivia Owner/);
    await page.keyboard.press('Enter');

    await tabTo(page, 'textbox', 'New vault');
    await page.keyboard.type('By keyboard');
    await page.keyboard.press('Enter');
    await page.getByText('Connected, up to date at 0').waitFor();
    // The title of the new page has the focus.
    await page.locator('h1:focus').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'By keyboard');

    await tabTo(page, 'textbox', 'Title');
    await page.keyboard.type('A paper');
    await page.keyboard.press('Tab');
    await page.keyboard.type('https://files.example.com/paper.pdf');
    await page.keyboard.press('Enter');
    await page.getByText('Connected, up to date at 1').waitFor();

    await tabTo(page, 'button', 'Edit A paper');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    // The control that opened the dialog has the focus again.
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Edit A paper');

    await tabTo(page, 'button', 'Remove A paper');
    await page.keyboard.press('Enter');
    await tabTo(page, 'button', 'Remove source');
    await page.keyboard.press('Enter');
    await page.getByText('Connected, up to date at 2').waitFor();
    await page.getByRole('heading', { name: 'No sources yet' }).waitFor();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    // The control that opened the dialog is gone with its source.
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Sources');
  }));

/** Each page and state: how to reach it in a new window. */
const DEMO_STATES = {
  'sign-in': (page) => page.goto('/').then(() => page.getByRole('link', { name: 'Open two users side by side' }).waitFor()),
  vaults: async (page) => {
    await page.goto('/demo/sign-in?as=owner');
    await page.getByRole('link', { name: 'Demo vault' }).waitFor();
  },
  vault: async (page) => {
    await page.goto('/demo/sign-in?as=owner');
    await page.goto(`/test/realtime?vaultId=${VAULT}`);
    await page.getByText(/^Connected, up to date/).waitFor();
    await page.getByLabel('Title').fill('Seen by axe');
    await page.getByLabel('File URL').fill('https://files.example.com/paper.pdf');
    await page.getByRole('button', { name: 'Add source' }).click();
    await page.getByText('Added by Olivia Owner').first().waitFor();
    await page.getByRole('region', { name: 'Timeline' }).getByText('“Seen by axe”').first().waitFor();
  },
  'field errors': async (page) => {
    await page.goto('/demo/sign-in?as=owner');
    await page.goto(`/test/realtime?vaultId=${VAULT}`);
    await page.getByRole('button', { name: 'Add source' }).click();
    await page.locator('.field__error').first().waitFor();
  },
  dialog: async (page) => {
    await page.goto('/demo/sign-in?as=owner');
    await page.goto(`/test/realtime?vaultId=${VAULT}`);
    await page.getByRole('button', { name: 'Delete vault' }).click();
    await page.getByRole('dialog').waitFor();
  },
  viewer: async (page) => {
    await page.goto('/demo/sign-in?as=viewer');
    await page.goto(`/test/realtime?vaultId=${VAULT}`);
    await page.getByText('You are a viewer of this vault').waitFor();
  },
  'cut connection': async (page) => {
    await page.goto('/demo/sign-in?as=viewer');
    await page.goto(`/test/realtime?vaultId=${VAULT}`);
    await page.getByText(/^Connected, up to date/).waitFor();
    await page.getByRole('button', { name: 'Cut the connection' }).click();
    await page.getByText(/^Disconnected by you/).waitFor();
  },
  'invalid vault': async (page) => {
    await page.goto('/demo/sign-in?as=viewer');
    await page.goto('/test/realtime?vaultId=nonsense');
    await page.getByRole('heading', { name: 'This is not a vault ID' }).waitFor();
  },
  'vault without access': async (page) => {
    await page.goto('/demo/sign-in?as=viewer');
    await page.goto('/test/realtime?vaultId=cunknown0000000000000000');
    await page.getByRole('heading', { name: 'You cannot open this vault' }).waitFor();
  },
  'split view': async (page) => {
    await page.goto('/demo/split?left=owner&right=viewer');
    for (const name of ['Left: Olivia Owner', 'Right: Vera Viewer']) await page.getByRole('region', { name, exact: true }).getByText(/^Connected, up to date/).waitFor();
    // A notification, too.
    const left = page.getByRole('region', { name: 'Left: Olivia Owner', exact: true });
    await left.getByRole('button', { name: 'Fill in an example' }).click();
    await left.getByRole('button', { name: 'Add source' }).click();
    await page.locator('.toast').first().waitFor();
  },
  'two panes of one user': async (page) => {
    await page.goto('/demo/split?left=owner&right=owner');
    for (const name of ['Left: Olivia Owner', 'Right: Olivia Owner']) await page.getByRole('region', { name, exact: true }).getByText(/^Connected, up to date/).waitFor();
  },
  'edit dialog': async (page) => {
    await page.goto('/demo/sign-in?as=owner');
    await page.goto(`/test/realtime?vaultId=${VAULT}`);
    await page.getByRole('button', { name: /^Edit / }).first().click();
    await page.getByRole('dialog').waitFor();
  },
};

for (const colorScheme of ['light', 'dark']) {
  test(`axe-core finds nothing on the pages of the demo (${colorScheme})`, { timeout: 240_000 }, async () => {
    for (const [state, reach] of Object.entries(DEMO_STATES)) {
      await inWindow(demo.url, async (window, page) => {
        await reach(page);
        await window.checkAccessibility(`${state}, ${colorScheme}`);
      }, { colorScheme });
    }
  });

  test(`axe-core finds nothing on the pages of a service without a session (${colorScheme})`, { timeout: 240_000 }, () =>
    inWindow(service.url, async (window, page) => {
      await page.goto('/');
      await page.getByRole('heading', { name: 'You are not signed in' }).waitFor();
      await window.checkAccessibility(`signed out, ${colorScheme}`);
    }, { colorScheme }));
}

test('a pasted token signs in until the service refuses it, and a wrong one is named', { timeout: 240_000 }, () =>
  inWindow(service.url, async (window, page) => {
    const user = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
    await page.goto('/');
    await page.getByLabel('Token', { exact: true }).fill('nonsense');
    await page.getByRole('button', { name: 'Use this token' }).click();
    await page.getByText('The service refused this token.').waitFor();

    await page.getByLabel('Token', { exact: true }).fill(user.token());
    await page.getByRole('button', { name: 'Use this token' }).click();
    await page.getByRole('heading', { name: 'No vaults yet' }).waitFor();
    await window.checkAccessibility('no vaults');
    await page.reload();
    await page.getByRole('heading', { name: 'No vaults yet' }).waitFor();

    const { body: vault } = (await user.post('/api/vaults', { name: 'Short' })).expectStatus(201);
    await page.goto(`/test/realtime?vaultId=${vault.id}`);
    await page.locator('.connection__text').filter({ hasText: 'Connected, up to date at 0' }).waitFor();
    // From now on the service refuses the token, as after its end.
    service.secret = 'another secret of the tests that is long enough to sign with';
    await service.stop();
    await service.restart();
    await page.getByRole('heading', { name: 'Your session has ended' }).waitFor();
    await page.getByText('The token has expired.').waitFor();
    await window.checkAccessibility('session ended');
  }));
