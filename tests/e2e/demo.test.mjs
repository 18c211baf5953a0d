// `vaultcast demo`, as a newcomer meets it: the printed links, the client of ten lines, the printed curl line.

import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Program } from './program.mjs';
import { Service } from './service.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

let demo;
before(async () => {
  demo = await Service.start('demo');
});
after(() => demo?.dispose());

/** What the demo prints, on lines of its own; a line that ends in a backslash goes on. */
const signIn = (role) => demo.says(new RegExp(`http://\\S+/demo/sign-in\\?as=${role}\\b`)).then(([link]) => link);
const curlLine = () => demo.says(/^[\s$]*(curl (?:.*\\\n)*.*)$/m).then(([, line]) => line);

test('the demo prints a link for each role, and the link signs in', async () => {
  for (const role of ['owner', 'contributor', 'viewer']) {
    const link = await signIn(role);
    assert.equal(link, `${demo.url}/demo/sign-in?as=${role}`);

    const answer = await fetch(link, { redirect: 'manual' });
    assert([302, 303].includes(answer.status), `${answer.status}`);
    assert.equal(new URL(answer.headers.get('location'), link).href, `${demo.url}/`);
    const [cookie] = answer.headers.getSetCookie();
    const me = await fetch(`${demo.url}/api/me`, { headers: { cookie: cookie.split(';')[0] } });
    assert.equal((await me.json()).email, `${role}@demo.com`);
  }
});

test('the client of ten lines joins the demo vault, and hears what the printed curl line posts', async () => {
  // A newcomer's directory: the script, and the official client installed beside it.
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-listen-'));
  let client;
  try {
    await cp(here('../../examples/listen.mjs'), path.join(directory, 'listen.mjs'));
    await symlink(here('node_modules'), path.join(directory, 'node_modules'));
    client = new Program(process.execPath, ['listen.mjs', demo.url], { cwd: directory });
    await client.says(/^vault:joined [^]*cdemovault0000000000000000[^]*viewer/m);

    const curl = new Program('bash', ['-c', await curlLine()], { cwd: directory });
    assert.deepEqual(await curl.ended(), { code: 0, signal: null }, curl.output);
    await client.says(/^source:created [^]*cdemovault0000000000000000/m);
  } finally {
    await client?.stop();
    await rm(directory, { recursive: true, force: true });
  }
});

test('the demo refuses to serve anyone but its own machine', async () => {
  await assert.rejects(
    Service.start('demo', { VAULTCAST__SERVER__BIND: '0.0.0.0:3000' }).then((service) => service.dispose()),
    /did not become ready/,
  );
});
