// `server.base_path`: the app, the demo, the command line and a client through nginx, with a prefix before the HTTP routes.

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AppWindow, launchBrowser } from './browser.mjs';
import { PAPER } from './fixtures.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { NginxProxy } from './nginx-proxy.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const PREFIX = '/v1';
const SETTINGS = { VAULTCAST__SERVER__BASE_PATH: PREFIX, VAULTCAST__SERVER__TRUSTED_PROXIES: '["127.0.0.1"]' };
const VAULT = 'cdemovault0000000000000000';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

let demo, service;
before(async () => {
  [demo, service] = await Promise.all([TestServer.start('demo', SETTINGS), TestServer.start('serve', SETTINGS)]);
});
after(() => Promise.all([demo, service].map((server) => server?.dispose())));

/** Runs a test in a browser window without a session. */
async function inWindow(run) {
  const browser = await launchBrowser();
  try {
    const window = await AppWindow.open(browser, demo.url);
    await run(window.page);
    await window.close();
  } finally {
    await browser.close();
  }
}

const pane = (page, name) => page.getByRole('region', { name, exact: true });
const source = (scope, title) => scope.locator('.rows > li').filter({ hasText: title });
const pathOf = (page) => new URL(page.url()).pathname;

async function addSource(scope, title) {
  await scope.getByLabel('Title').fill(title);
  await scope.getByLabel('File URL').fill(PAPER.fileUrl);
  await scope.getByRole('button', { name: 'Add source' }).click();
}

test('two users of the app see the changes of each other', { timeout: 240_000 }, () =>
  inWindow(async (page) => {
    await page.goto(PREFIX);
    assert.equal(pathOf(page), `${PREFIX}/`);
    await page.getByRole('link', { name: 'Open two users side by side' }).click();
    const [left, right] = [pane(page, 'Left: Olivia Owner'), pane(page, 'Right: Carl Contributor')];
    await addSource(left, 'A paper');
    await source(right, 'A paper').getByText('Added by Olivia Owner').waitFor();
    assert.equal(pathOf(page), `${PREFIX}/demo/split`);
  }));

test('one user signs in, opens a vault, adds a source, reloads the page and signs out', { timeout: 240_000 }, () =>
  inWindow(async (page) => {
    await page.goto(`${PREFIX}/`);
    await page.getByRole('link', { name: /^Sign in as Carl Contributor/ }).click();
    await page.getByRole('link', { name: /Demo vault/ }).click();
    await addSource(page, 'A letter');
    await source(page, 'A letter').getByText('Added by Carl Contributor').waitFor();
    assert.equal(pathOf(page), `${PREFIX}/test/realtime`);
    await page.reload();
    await source(page, 'A letter').waitFor();
    await page.getByRole('link', { name: 'vaultcast' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('link', { name: 'Open two users side by side' }).waitFor();
    assert.equal(pathOf(page), `${PREFIX}/`);
  }));

test('the printed links, client and curl command of the demo work', async () => {
  const [link] = await demo.waitForOutput(/http:\/\/\S+\/demo\/sign-in\?as=viewer/);
  assert.equal(link, `${demo.url}${PREFIX}/demo/sign-in?as=viewer`);
  const answer = await fetch(link, { redirect: 'manual' });
  assert.deepEqual([answer.status, answer.headers.get('location')], [303, `${PREFIX}/`]);
  // Socket.IO needs the cookie as well, and has no prefix.
  assert.match(answer.headers.getSetCookie()[0], /; Path=\/(;|$)/);

  const [, script] = await demo.waitForOutput(/node examples\/listen\.mjs (\S+)/);
  const [, curl] = await demo.waitForOutput(/^ *(curl .*)$/m);
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-listen-'));
  await cp(here('../../examples/listen.mjs'), path.join(directory, 'listen.mjs'));
  await symlink(here('node_modules'), path.join(directory, 'node_modules'));
  const client = new ManagedProcess(process.execPath, ['listen.mjs', script], { cwd: directory });
  try {
    await client.waitForOutput(/^vault:joined [^]*viewer/m);
    const command = new ManagedProcess('bash', ['-c', curl], { cwd: directory });
    assert.deepEqual(await command.waitForExit(), { code: 0, signal: null }, command.output);
    await client.waitForOutput(/^source:created [^]*Hello/m);
  } finally {
    await client.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

test('`vaultcast tail` follows a vault, with the prefix of the configuration or of the command line', async () => {
  const { token } = await (await fetch(`${demo.url}${PREFIX}/demo/token?as=owner`)).json();
  const settings = { VAULTCAST_TOKEN: token };
  const configured = await demo.start(['tail', VAULT], settings);
  assert.deepEqual(await configured.waitForExit(), { code: 0, signal: null }, configured.output);
  const elsewhere = { ...settings, VAULTCAST__SERVER__BASE_PATH: '' };
  const given = demo.start(['tail', VAULT, '--follow', '--url', demo.url, '--base-path', PREFIX], elsewhere);
  await given.waitForOutput(/member:added/);
  await given.stop();
  const without = demo.start(['tail', VAULT], elsewhere);
  assert.equal((await without.waitForExit()).code, 1);
});

test('nginx sends the prefix to the service and /api/vaults to the application', async () => {
  const application = createServer((request, response) => response.end(`the application: ${request.url}`));
  await new Promise((resolve) => application.listen(0, '127.0.0.1', resolve));
  const nginx = await NginxProxy.start([service], application.address().port, { basePath: PREFIX });
  let client;
  try {
    const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
    const headers = { authorization: `Bearer ${ana.token()}`, 'content-type': 'application/json' };
    assert.equal((await nginx.request('GET', '/api/vaults')).text, 'the application: /api/vaults');
    const post = (target, body) => nginx.request('POST', target, { headers, body: JSON.stringify(body) });
    const { status, body: vault } = await post(`${PREFIX}/api/vaults`, { name: 'Papers' });
    assert.equal(status, 201);
    const { via, ...options } = nginx.clientOptions();
    client = new TestClient(via.url, { ...options, auth: { token: ana.token() } });
    await client.nextEvent('connect');
    await client.join(vault);
    assert.equal((await post(`${PREFIX}/api/vaults/${vault.id}/sources`, PAPER)).status, 201);
    assert.equal((await client.nextEvent('source:created')).source.title, PAPER.title);
    const page = await nginx.request('GET', `${PREFIX}/docs`);
    assert.match(page.text, /\/v1\/api\/sources\/{id}/);
  } finally {
    client?.close();
    await nginx.dispose();
    application.close();
  }
});

test('a prefix that is no plain path stops the start with the name of the key', async () => {
  for (const value of ['v1', '/v1/', '//v1', '/v1?a', '/v%31', '/socket.io']) {
    const refusal = await service.expectRefusal(['check'], { VAULTCAST__SERVER__BASE_PATH: value });
    assert.match(refusal, /server\.base_path: .* is not "" or a path such as "\/v1"/);
  }
});
