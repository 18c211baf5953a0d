// docs/existing-client.md: the client before its changes fails in the ways that the page names, and the changed client does not. Both
// are read from the page and run with the official client against the service.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CuttingProxy } from './cutting-proxy.mjs';
import { PAPER } from './fixtures.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { httpApi } from './source-api.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What the application defines: the functions print their calls, one per line. */
const UI_FUNCTIONS = ['setConnectionStatus', 'showSourcesInUI', 'addSourceToUI', 'updateSourceInUI', 'removeSourceFromUI', 'showNotification', 'showErrorNotification'];
const DECLARATIONS = `declare const currentVaultId: string;\n${UI_FUNCTIONS.map((name) => `declare function ${name}(value: unknown): void;`).join('\n')}\n`;
const APPLICATION = `
const print = (name, value) => console.log(name, JSON.stringify(value));
for (const name of ${JSON.stringify(UI_FUNCTIONS)}) globalThis[name] = (value) => print(name, value);
globalThis.currentVaultId = process.env.VAULT;
globalThis.window = { location: { set href(url) { print('redirect', url); } } };
const send = globalThis.fetch;
globalThis.fetch = (url, options) => send(url, { ...options, headers: { authorization: 'Bearer ' + process.env.TOKEN } });
`;

/** Added to both clients: prints events of the client that the test waits for, and runs `cleanup` on a signal. */
const REPORT = `
socket.io.on('reconnect_failed', () => console.log('gave up'));
socket.io.on('reconnect', () => console.log('connected again'));
socket.on('connect_error', ({ message }) => console.log('refused', message));
process.on('SIGUSR2', cleanup);
`;

/** Returns the client before or after the changes; `removed` is the mark of the lines that it does not have. */
async function readClient(removed) {
  const page = await readFile(here('../../docs/existing-client.md'), 'utf8');
  const [, diff] = page.match(/```diff\n([^]*?)```/);
  const lines = diff.split('\n').filter((line) => !line.startsWith(removed));
  return DECLARATIONS + lines.map((line) => line.slice(1)).join('\n') + REPORT.replaceAll('process.on', '(globalThis as any).process.on');
}

/** Compiles a client with strict options. Its address, token and delay become those of the test. */
async function compileClient(directory, name, code) {
  await writeFile(path.join(directory, `${name}.ts`), code);
  const options = ['--strict', '--noUnusedLocals', '--target', 'es2022', '--lib', 'es2022,dom', '--module', 'nodenext', '--skipLibCheck'];
  const compiler = new ManagedProcess(process.execPath, ['node_modules/typescript/bin/tsc', ...options, `${name}.ts`], { cwd: directory });
  assert.equal((await compiler.waitForExit(180_000)).code, 0, compiler.output);
  const compiled = await readFile(path.join(directory, `${name}.js`), 'utf8');
  const adapted = [
    [`'http://localhost:3000'`, 'process.env.URL'],
    ['autoConnect: true,', 'autoConnect: true, auth: { token: process.env.TOKEN },'],
    ['reconnectionDelay: 1000,', 'reconnectionDelay: 20, reconnectionDelayMax: 100,'],
  ].reduce((text, [from, to]) => {
    assert(text.includes(from), `${name} does not contain ${from}`);
    return text.replace(from, to);
  }, compiled);
  await writeFile(path.join(directory, `${name}.js`), adapted);
}

let directory, service, ana, ben;
before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-page-'));
  await symlink(here('node_modules'), path.join(directory, 'node_modules'));
  await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }');
  await writeFile(path.join(directory, 'application.js'), APPLICATION);
  await Promise.all([compileClient(directory, 'before', await readClient('+')), compileClient(directory, 'after', await readClient('-'))]);
  // Without recovery only `since` brings missed events.
  service = await TestServer.start('serve', { VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '0s' });
  [ana, ben] = ['ana', 'ben'].map((id) => new TestUser(service, id, id, `${id}@example.com`));
});
after(async () => {
  await service?.dispose();
  await rm(directory, { recursive: true, force: true });
});

/** Runs a client of Ben in a vault of Ana, with a proxy between them. */
async function withClient(name, { token = ben.token(), member = true } = {}, run) {
  const vault = (await ana.post('/api/vaults', { name })).expectStatus(201).body;
  if (member) (await ana.post(`/api/vaults/${vault.id}/members`, { userId: ben.id, role: 'viewer' })).expectStatus(201);
  const proxy = await CuttingProxy.start(service);
  const { PATH } = process.env;
  const env = { PATH, URL: proxy.url, TOKEN: token, VAULT: vault.id };
  const client = new ManagedProcess(process.execPath, ['--import', './application.js', `${name}.js`], { cwd: directory, env });
  const add = (title) => httpApi(ana).create(vault, { ...PAPER, title });
  try {
    await run({ client, proxy, vault, add });
  } finally {
    await client.stop('SIGKILL');
    await proxy.close();
  }
}

/** Returns the titles on the page: those of the list, and those added later. */
function shownTitles({ output }) {
  const calls = [...output.matchAll(/^(showSourcesInUI|addSourceToUI) (.*)$/gm)];
  const sources = calls.map(([, name, value]) => [name, JSON.parse(value)]).flatMap(([name, value]) => (name === 'addSourceToUI' ? [value] : value));
  return sources.map(({ title }) => title);
}

test('the client before the changes gives up after five attempts', () =>
  withClient('before', {}, async ({ client, proxy, add }) => {
    await client.waitForOutput(/^Joined vault \S+ as viewer$/m);
    await add('One');
    await client.waitForOutput(/^showNotification "ana added One"$/m);
    await proxy.waitForUpgrade();
    proxy.cut();
    await client.waitForOutput(/^gave up$/m);
  }));

test('the client before the changes misses events, and its reconnect handler is never called', () =>
  withClient('before', {}, async ({ client, proxy, add }) => {
    await client.waitForOutput(/^Joined vault \S+ as viewer$/m);
    await proxy.waitForUpgrade();
    proxy.cut();
    await client.waitForOutput(/^Disconnected: /m);
    await add('One');
    proxy.restore();
    await client.waitForOutput(/^Joined [^]*^Joined vault \S+ as viewer$/m);
    await add('Two');
    await client.waitForOutput(/^showNotification "ana added Two"$/m);
    assert.match(client.output, /^connected again$/m);
    assert.doesNotMatch(client.output, /Reconnected after/);
    assert.deepEqual(shownTitles(client), ['Two']);
  }));

test('the client before the changes does not notice that its session has ended', () =>
  withClient('before', { token: ben.token({ ttl: -60 }) }, async ({ client }) => {
    await client.waitForOutput(/^refused UNAUTHORIZED$/m);
    assert.doesNotMatch(client.output, /redirect|Socket error/);
  }));

test('the changed client outlasts more than five attempts and shows every source once', () =>
  withClient('after', {}, async ({ client, proxy, vault, add }) => {
    await client.waitForOutput(/^Joined vault \S+ as viewer$/m);
    await add('One');
    await client.waitForOutput(/^showNotification "ana added One"$/m);
    await proxy.waitForUpgrade();
    proxy.cut();
    await client.waitForOutput(/^Disconnected: /m);
    await add('Two');
    (await ana.post(`/api/vaults/${vault.id}/members`, { userId: 'cem', role: 'viewer' })).expectStatus(201);
    await client.waitForOutput(/(^refused [^]*){7}/m);
    await add('Three');
    proxy.restore();
    await client.waitForOutput(/^showNotification "ana added Three"$/m);
    await add('Four');
    await client.waitForOutput(/^showNotification "ana added Four"$/m);
    assert.match(client.output, /^Reconnected after \d+ attempts$/m);
    assert.deepEqual(shownTitles(client), ['One', 'Two', 'Three', 'Four']);
    process.kill(client.pid, 'SIGUSR2');
    await client.waitForOutput(/^Disconnected: io client disconnect$/m);
  }));

test('the changed client lists again when the missed events are not available', async () => {
  await withClient('after', {}, async ({ client, proxy, add }) => {
    await client.waitForOutput(/^Joined vault \S+ as viewer$/m);
    await proxy.waitForUpgrade();
    proxy.cut();
    await client.waitForOutput(/^Disconnected: /m);
    await add('One');
    await service.stop();
    await service.run('epoch', 'renew');
    await service.restart();
    proxy.restore();
    await client.waitForOutput(/^showSourcesInUI \[\{[^]*^Joined /m);
    await add('Two');
    await client.waitForOutput(/^showNotification "ana added Two"$/m);
    assert.deepEqual(shownTitles(client), ['One', 'Two']);
  });
});

test('the changed client redirects to the sign-in when its session has ended', () =>
  withClient('after', { token: ben.token({ ttl: -60 }) }, async ({ client }) => {
    await client.waitForOutput(/^redirect "\/login"$/m);
  }));

test('the changed client shows that the vault is not accessible', () =>
  withClient('after', { member: false }, async ({ client }) => {
    await client.waitForOutput(/^showErrorNotification "Error: Access denied to vault"$/m);
  }));
