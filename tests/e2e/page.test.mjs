// The app at `/` in a real browser: two users see the changes of each other, a removed member loses the vault at once, and a cut
// connection comes back without a gap, each on every transport.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AppWindow, launchBrowser } from './browser.mjs';
import { PAPER } from './fixtures.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const TRANSPORTS = ['polling,websocket', 'polling', 'websocket'];
const VAULT = 'cdemovault0000000000000000';

let demo;
let browser;
before(async () => {
  [demo, browser] = await Promise.all([TestServer.start('demo'), launchBrowser()]);
});
after(async () => {
  await browser?.close();
  await demo?.dispose();
});

/** Returns a vault of its own with the three users of the demo, and the owner's requests to it. */
async function newVault(name) {
  const { token } = await (await fetch(`${demo.url}/demo/token?as=owner`)).json();
  const owner = new TestUser(demo, 'demo-owner', 'Olivia Owner', 'owner@demo.com');
  owner.token = () => token;
  const { body } = (await owner.post('/api/vaults', { name })).expectStatus(201);
  const members = `/api/vaults/${body.id}/members`;
  for (const role of ['contributor', 'viewer']) (await owner.post(members, { userId: `demo-${role}`, role })).expectStatus(201);
  const add = async (title) => (await owner.post(`/api/vaults/${body.id}/sources`, { ...PAPER, title })).expectStatus(201);
  return { id: body.id, owner, add, members };
}

/** Runs a test in a window without a session, and closes it. */
async function inWindow(run, options) {
  const window = await AppWindow.open(browser, demo.url, options);
  try {
    await run(window, window.page);
  } finally {
    await window.close();
  }
}

const signIn = (page, role, path) => page.goto(`/demo/sign-in?as=${role}`).then(() => page.goto(path));
const pane = (page, name) => page.getByRole('region', { name, exact: true });
const source = (scope, title) => scope.locator('.rows > li').filter({ hasText: title });
const connection = (scope, text) => scope.locator('.connection__text').filter({ hasText: text });
const addSource = async (scope, title) => {
  await scope.getByLabel('Title').fill(title);
  await scope.getByLabel('File URL').fill(PAPER.fileUrl);
  await scope.getByRole('button', { name: 'Add source' }).click();
};

for (const transports of TRANSPORTS) {
  const only = `transports=${transports}`;

  test(`two users see the changes of each other (${transports})`, { timeout: 240_000 }, () =>
    inWindow(async (window, page) => {
      const vault = await newVault('Papers');
      await page.goto(`/demo/split?left=owner&right=contributor&vaultId=${vault.id}&${only}`);
      const [left, right] = [pane(page, 'Left: Olivia Owner'), pane(page, 'Right: Carl Contributor')];
      for (const scope of [left, right]) await connection(scope, 'Connected, up to date at 2').waitFor();

      await addSource(left, 'A paper');
      await source(right, 'A paper').getByText('Added by Olivia Owner').waitFor();
      await right.getByText('Olivia Owner added “A paper”').first().waitFor();

      await source(right, 'A paper').getByRole('button', { name: 'Edit A paper' }).click();
      const dialog = page.getByRole('dialog', { name: 'Edit source' });
      await dialog.getByLabel('Title').fill('A better paper');
      await dialog.getByRole('button', { name: 'Save' }).click();
      await source(left, 'A better paper').getByText('Updated by Carl Contributor').waitFor();
      await dialog.waitFor({ state: 'detached' });

      await source(left, 'A better paper').getByRole('button', { name: 'Remove A better paper' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Remove source' }).click();
      // The notification disappears after some seconds.
      await Promise.all([
        source(right, 'A better paper').waitFor({ state: 'detached' }),
        right.getByRole('log', { name: 'Notifications' }).getByText('Olivia Owner deleted “A better paper”').waitFor(),
      ]);
      for (const scope of [left, right]) await connection(scope, 'Connected, up to date at 5').waitFor();
      // Only the transports of the address are used.
      if (transports === 'polling') assert.deepEqual(window.sockets, []);
      else assert.ok(window.sockets.length >= 2, `${window.sockets}`);
    }));

  test(`a removed member loses the vault at once, and returns (${transports})`, { timeout: 240_000 }, () =>
    inWindow(async (window, page) => {
      const vault = await newVault('Secrets');
      await vault.add('A secret');
      await page.goto(`/demo/split?left=owner&right=viewer&vaultId=${vault.id}&${only}`);
      const [left, right] = [pane(page, 'Left: Olivia Owner'), pane(page, 'Right: Vera Viewer')];
      await source(right, 'A secret').waitFor();
      assert.equal(await right.getByRole('button', { name: 'Add source' }).isDisabled(), true);
      await right.getByText('You are a viewer of this vault').waitFor();

      await left.getByRole('button', { name: 'Remove Vera Viewer' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Remove member' }).click();
      await right.getByRole('heading', { name: 'You are no longer a member of this vault' }).waitFor();
      assert.equal(await right.getByText('A secret').count(), 0);

      (await vault.owner.post(vault.members, { userId: 'demo-viewer', role: 'contributor' })).expectStatus(201);
      await right.getByRole('button', { name: 'Try again' }).click();
      await source(right, 'A secret').waitFor();
      assert.equal(await right.getByRole('button', { name: 'Add source' }).isEnabled(), true);
    }));

  test(`a cut connection comes back without a gap (${transports})`, { timeout: 240_000 }, () =>
    inWindow(async (window, page) => {
      const vault = await newVault('Commutes');
      await signIn(page, 'contributor', `/test/realtime?vaultId=${vault.id}&${only}`);
      await connection(page, 'Connected, up to date at 2').waitFor();
      await page.getByRole('region', { name: 'Timeline' }).locator('.timeline__seq').nth(1).waitFor();

      // The cut ends only by the button.
      await page.clock.setFixedTime(Date.now());
      await page.getByRole('button', { name: 'Cut the connection' }).click();
      await connection(page, /^Disconnected by you, back in \d+ s$/).waitFor();
      // The transport is closed, also if its upgrade was under way.
      await page.locator('.connection__text[data-phase="away"]').waitFor();
      for (const title of ['One', 'Two', 'Three']) await vault.add(title);
      assert.equal(await source(page, 'One').count(), 0);
      await page.getByRole('button', { name: 'Reconnect now' }).click();
      await connection(page, 'Caught up at 5: 3 events while away').waitFor();
      for (const title of ['One', 'Two', 'Three']) await source(page, title).getByText('Added by Olivia Owner').waitFor();
      assert.deepEqual(await page.getByRole('region', { name: 'Timeline' }).locator('.timeline__seq').allTextContents(), ['5', '4', '3', '2', '1']);

      await vault.add('Four');
      await connection(page, 'Connected, up to date at 6').waitFor();
    }));
}

test('a restart of the service is noticed, and over by itself', { timeout: 240_000 }, () =>
  inWindow(async (window, page) => {
    const vault = await newVault('Patience');
    await signIn(page, 'owner', `/test/realtime?vaultId=${vault.id}`);
    await connection(page, 'Connected, up to date at 2').waitFor();
    await demo.stop();
    await connection(page, 'Reconnecting…').waitFor();
    await page.getByText('The service does not answer', { exact: true }).waitFor();
    await demo.restart();
    await connection(page, 'Caught up at 2: nothing happened while away').waitFor();
  }));

test('a refused source returns to the form with the errors of its fields', { timeout: 240_000 }, () =>
  inWindow(async (window, page) => {
    await signIn(page, 'owner', `/test/realtime?vaultId=${VAULT}`);
    await page.getByLabel('File URL').fill('not a URL');
    await page.getByRole('button', { name: 'Add source' }).click();
    await page.locator('.field__error').first().waitFor();
    assert.equal(await page.locator('.field__error').count(), 2);
    assert.equal(await page.getByLabel('File URL').inputValue(), 'not a URL');
    assert.equal(await page.getByLabel('Title').getAttribute('aria-invalid'), 'true');
  }));

test('the last owner stays an owner, and a vault is renamed and deleted', { timeout: 240_000 }, () =>
  inWindow(async (window, page) => {
    const vault = await newVault('Drafts');
    await page.goto(`/demo/split?left=owner&right=contributor&vaultId=${vault.id}`);
    const [left, right] = [pane(page, 'Left: Olivia Owner'), pane(page, 'Right: Carl Contributor')];
    await left.getByLabel('Role of Olivia Owner').selectOption('viewer');
    await left.getByText('A vault keeps at least one owner').waitFor();
    assert.equal(await left.getByLabel('Role of Olivia Owner').inputValue(), 'owner');

    await left.getByRole('button', { name: 'Rename' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Finals');
    await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
    await right.getByRole('heading', { name: 'Finals' }).waitFor();

    await left.getByRole('button', { name: 'Delete vault' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete vault' }).click();
    await right.getByRole('heading', { name: 'This vault was deleted' }).waitFor();
    await left.getByRole('heading', { name: 'Vaults', exact: true }).waitFor();
  }));
