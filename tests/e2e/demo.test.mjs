// `vaultcast demo` as a new user tries it: the printed links, the ten-line client and the printed curl command.

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from './managed-process.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

let demo;
before(async () => {
  demo = await TestServer.start('demo');
});
after(() => demo?.dispose());

/** Parts of the demo's output. A printed command continues after a backslash at the end of a line. */
const signIn = (role) => demo.waitForOutput(new RegExp(`http://\\S+/demo/sign-in\\?as=${role}\\b`)).then(([link]) => link);
const curlCommand = () => demo.waitForOutput(/^[\s$]*(curl (?:.*\\\n)*.*)$/m).then(([, line]) => line);

test('the demo prints a sign-in link for each role', async () => {
  for (const role of ['owner', 'contributor', 'viewer']) {
    const link = await signIn(role);
    assert.equal(link, `${demo.url}/demo/sign-in?as=${role}`);

    const answer = await fetch(link, { redirect: 'manual' });
    assert([302, 303].includes(answer.status), `${answer.status}`);
    assert.equal(new URL(answer.headers.get('location'), link).href, `${demo.url}/`);
    const [cookie] = answer.headers.getSetCookie();
    // Another project on the same host may have left its cookie.
    const cookies = `__Secure-authjs.session-token=stale; ${cookie.split(';')[0]}`;
    const me = await fetch(`${demo.url}/api/me`, { headers: { cookie: cookies } });
    assert.equal((await me.json()).email, `${role}@demo.com`);
  }
});

test('the ten-line client joins the demo vault and receives the source that the printed curl command creates', async () => {
  // The directory of a new user: the script, and the official client installed beside it.
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-listen-'));
  let client;
  try {
    await cp(here('../../examples/listen.mjs'), path.join(directory, 'listen.mjs'));
    await symlink(here('node_modules'), path.join(directory, 'node_modules'));
    client = new ManagedProcess(process.execPath, ['listen.mjs', demo.url], { cwd: directory });
    await client.waitForOutput(/^vault:joined [^]*cdemovault0000000000000000[^]*viewer/m);

    const curl = new ManagedProcess('bash', ['-c', await curlCommand()], { cwd: directory });
    assert.deepEqual(await curl.waitForExit(), { code: 0, signal: null }, curl.output);
    await client.waitForOutput(/^source:created [^]*cdemovault0000000000000000/m);
  } finally {
    await client?.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

test('the demo refuses to bind to an address other than loopback', async () => {
  await assert.rejects(
    TestServer.start('demo', { VAULTCAST__SERVER__BIND: '0.0.0.0:3000' }).then((service) => service.dispose()),
    /did not become ready/,
  );
});

test('the sign-in cookie of the demo is valid for sockets, whatever cookies the application uses', async () => {
  const other = await TestServer.start('demo', { VAULTCAST__AUTH__COOKIES: '["my.session"]' });
  let client;
  try {
    const answer = await fetch(`${other.url}/demo/sign-in?as=viewer`, { redirect: 'manual' });
    const cookie = answer.headers.getSetCookie()[0].split(';')[0];
    client = new TestClient(other.url, { extraHeaders: { cookie } });
    await client.nextEvent('connect');
  } finally {
    client?.close();
    await other.dispose();
  }
});
