// Two people in the application: the contract's checklist as they see it, and a vaultcast that ends meanwhile.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchBrowser } from '../../../tests/e2e/browser.mjs';
import { Example } from './example.mjs';

let example, browser, olga, carl, vera;
before(async () => {
  [example, browser] = await Promise.all([Example.start(), launchBrowser()]);
});
after(async () => {
  await browser?.close();
  assert.deepEqual(await example?.dispose(), { code: 0, signal: null });
});

const isLive = (page) => page.getByText('live', { exact: true }).waitFor();
const link = (page, title) => page.getByRole('link', { name: title, exact: true });
const entry = (page, text) => page.getByText(text, { exact: true });

async function addSource(page, title) {
  await page.getByLabel('Title').fill(title);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
}

async function addMember(page, name, role) {
  await page.getByLabel('User').selectOption({ label: name });
  await page.getByLabel('Role').selectOption(role);
  await page.getByRole('button', { name: 'Add member' }).click();
}

/** Sends a request of the page to vaultcast and returns the status and the code of the answer. */
const send = (page, method, path, body) =>
  page.evaluate(async ([method, path, body]) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
    return [answer.status, (await answer.json()).code];
  }, [method, path, body]);

const vaultOf = (page) => page.url().split('/').at(-1);

test('a user signs in, creates a vault by a server action, and is connected by the session cookie', async () => {
  olga = await example.signIn(browser, 'Olga');
  await olga.page.getByLabel('Name').fill('Reading list');
  await olga.page.getByRole('button', { name: 'Create a vault' }).click();
  await isLive(olga.page);
  assert.equal(olga.sockets.length, 1);
});

test('without a session, or a membership, neither the application nor vaultcast shows the vault', async () => {
  carl = await example.signIn(browser, 'Carl');
  const response = await carl.goto(`/vaults/${vaultOf(olga.page)}`);
  assert.equal(response.status(), 404);
  assert.deepEqual(await send(carl.page, 'GET', `/v1/api/vaults/${vaultOf(olga.page)}`), [403, 'ACCESS_DENIED']);
  const answer = await fetch(`${example.url}/v1/api/me`);
  assert.equal(answer.status, 401);
  assert.match((await fetch(`${example.url}/`, { redirect: 'manual' })).headers.get('location'), /\/sign-in$/);
});

test('what one member changes, all members see at once, with its author', async () => {
  await addMember(olga.page, 'Carl', 'contributor');
  await entry(olga.page, 'Olga added Carl as contributor').waitFor();
  await carl.goto(`/vaults/${vaultOf(olga.page)}`);
  await isLive(carl.page);

  await addSource(olga.page, 'On ordering');
  await link(carl.page, 'On ordering').waitFor();
  await entry(carl.page, 'Olga added On ordering').waitFor();
  await carl.page.getByRole('button', { name: 'Mark On ordering as read' }).click();
  await link(olga.page, 'On ordering ✓').waitFor();
  await entry(olga.page, 'Carl changed On ordering ✓').waitFor();
  await olga.page.getByRole('button', { name: 'Remove On ordering ✓' }).click();
  await link(carl.page, 'On ordering ✓').waitFor({ state: 'detached' });
  await entry(carl.page, 'Olga removed a source').waitFor();
});

test('a viewer sees everything and changes nothing, and a user can be a member before the first sign-in', async () => {
  await addMember(olga.page, 'Vera', 'viewer');
  // vaultcast learns the name at the first sign-in.
  await entry(olga.page, 'Olga added user-vera as viewer').waitFor();
  vera = await example.signIn(browser, 'Vera');
  await link(vera.page, 'Reading list').click();
  await isLive(vera.page);
  await addSource(carl.page, 'For all');
  await link(vera.page, 'For all').waitFor();
  assert.equal(await vera.page.getByLabel('Title').count(), 0);
  const source = { title: 'By a viewer', fileUrl: 'https://files.example.com/v.pdf' };
  assert.deepEqual(await send(vera.page, 'POST', `/v1/api/vaults/${vaultOf(vera.page)}/sources`, source), [403, 'INSUFFICIENT_PERMISSIONS']);
});

test('events of one vault do not reach the members of another', async () => {
  const other = await example.signIn(browser, 'Olga');
  await other.page.getByLabel('Name').fill('Private');
  await other.page.getByRole('button', { name: 'Create a vault' }).click();
  await isLive(other.page);
  await addSource(other.page, 'Secret');
  await link(other.page, 'Secret').waitFor();
  await addSource(olga.page, 'After the secret');
  for (const { page } of [carl, vera]) {
    await link(page, 'After the secret').waitFor();
    assert.equal(await link(page, 'Secret').count(), 0);
  }
  await other.close();
});

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`pages catch up by themselves when vaultcast was ended by ${signal}`, async () => {
    const title = `Added after ${signal}`;
    await example.restart(signal);
    // The change waits until vaultcast is back.
    await addSource(carl.page, title);
    for (const { page } of [olga, carl, vera]) {
      await link(page, title).waitFor();
      await isLive(page);
      assert.equal(await link(page, title).count(), 1);
    }
    await carl.page.locator('[data-pending=true]').waitFor({ state: 'detached' });
  });
}

test('a removed member loses the vault at once', async () => {
  const path = `/v1/api/vaults/${vaultOf(olga.page)}/members/user-vera`;
  assert.equal(await olga.page.evaluate((path) => fetch(path, { method: 'DELETE' }).then(({ status }) => status), path), 204);
  await vera.page.getByText('This vault is not available to you any more.').waitFor();
  await vera.close();
});

test('after a sign-out neither the pages nor vaultcast know the user', async () => {
  await carl.page.getByRole('button', { name: 'Sign out' }).click();
  await carl.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.deepEqual(await send(carl.page, 'GET', '/v1/api/me'), [401, 'UNAUTHORIZED']);
  await carl.goto(`/vaults/${vaultOf(olga.page)}`);
  await carl.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await Promise.all([carl.close(), olga.close()]);
});
