// The client in the README, run as written.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAPER, range, story } from './harness.mjs';
import { byHttp } from './doors.mjs';
import { Program } from './program.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What a test asks of it beyond: to show its list when it gets a signal. */
const SHOWS = "process.on('SIGUSR2', () => console.log('has', JSON.stringify([...sources.values()])));\n";

async function theClient(env, tell) {
  const readme = await readFile(here('../../README.md'), 'utf8');
  const [, code] = readme.match(/```js\n([^]*?)```/);
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-readme-'));
  await writeFile(path.join(directory, 'client.mjs'), code + SHOWS);
  await symlink(here('node_modules'), path.join(directory, 'node_modules'));
  const { PATH, HOME } = process.env;
  const client = new Program(process.execPath, ['client.mjs'], { cwd: directory, env: { PATH, HOME, ...env } });
  try {
    await tell(client);
  } finally {
    await client.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

story('the client of the README keeps its list in step', async ({ service, user, vault }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { viewer: [ben] });
  const first = await byHttp(ana).create(shared, PAPER);
  await theClient({ URL: service.url, TOKEN: ben.token(), VAULT: shared.id }, async (client) => {
    await client.says(/^joined as viewer at 2$/m);
    await client.says(/^1 sources$/m);
    await byHttp(ana).create(shared, PAPER);
    await client.says(/^3: Ana did source:created; 2 sources$/m);
    await byHttp(ana).update(first.source, { title: 'Another' });
    await client.says(/^4: Ana did source:updated; 2 sources$/m);
    await byHttp(ana).remove(first.source);
    await client.says(/^5: Ana did source:deleted; 1 sources$/m);
  });
});

story('the client of the README has what the service lists, also of what it missed', async ({ user, vault, proxy }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { viewer: [ben] });
  const door = byHttp(ana);
  const made = [];
  for (const n of range(1, 3)) made.push((await door.create(shared, { ...PAPER, fileKey: `${n}` })).source);
  const network = await proxy();
  await theClient({ URL: network.url, TOKEN: ben.token(), VAULT: shared.id }, async (client) => {
    await client.says(/^joined as viewer at 4$/m);
    await client.says(/^3 sources$/m);
    await door.update(made[0], { fileKey: null });
    await client.says(/^5: Ana did source:updated; 3 sources$/m);
    network.cut();
    await client.says(/^disconnected: /m);
    await door.create(shared, { ...PAPER, title: 'Another' });
    await door.update(made[1], { fileKey: null });
    await door.remove(made[2]);
    network.mend();
    await client.says(/^8: Ana did source:deleted; 3 sources$/m);
    process.kill(client.pid, 'SIGUSR2');
    const [, shown] = await client.says(/^has (.*)$/m);
    const { sources } = (await ben.get(`/api/vaults/${shared.id}/sources`)).is(200).body;
    const byId = (some) => new Map(some.map((source) => [source.id, source]));
    assert.deepEqual(byId(JSON.parse(shown)), byId(sources));
  });
});

story('the client of the README says why it is not let in, or refused', async ({ service, user, vault }) => {
  const shared = await vault(user('ana'));
  const zoe = user('zoe');
  await theClient({ URL: service.url, TOKEN: zoe.token({ ttl: -60 }), VAULT: shared.id }, async (client) => {
    await client.says(/^not connected: UNAUTHORIZED$/m);
    assert.equal((await client.ended()).code, 1);
  });
  await theClient({ URL: service.url, TOKEN: zoe.token(), VAULT: shared.id }, async (client) => {
    await client.says(/^refused: ACCESS_DENIED Access denied to vault/m);
  });
});
