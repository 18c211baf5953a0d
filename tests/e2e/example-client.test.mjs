// examples/client.mjs, which the README links, run as it is.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { httpApi } from './source-api.mjs';
import { ManagedProcess } from './managed-process.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Added to the client: it prints its list on a signal. */
const PRINT_ON_SIGNAL = "process.on('SIGUSR2', () => console.log('sources:', JSON.stringify([...sources.values()])));\n";

async function withExampleClient(env, run) {
  const code = await readFile(here('../../examples/client.mjs'), 'utf8');
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-client-'));
  await writeFile(path.join(directory, 'client.mjs'), code + PRINT_ON_SIGNAL);
  await symlink(here('node_modules'), path.join(directory, 'node_modules'));
  const { PATH, HOME } = process.env;
  const client = new ManagedProcess(process.execPath, ['client.mjs'], { cwd: directory, env: { PATH, HOME, ...env } });
  try {
    await run(client);
  } finally {
    await client.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

testEachTransport('the example client keeps its list up to date', async ({ service, newUser, newVault }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { viewer: [ben] });
  const first = await httpApi(ana).create(shared, PAPER);
  await withExampleClient({ URL: service.url, TOKEN: ben.token(), VAULT: shared.id }, async (client) => {
    await client.waitForOutput(/^joined as viewer at 2$/m);
    await client.waitForOutput(/^1 sources$/m);
    await httpApi(ana).create(shared, PAPER);
    await client.waitForOutput(/^3: Ana did source:created; 2 sources$/m);
    await httpApi(ana).update(first.source, { title: 'Another' });
    await client.waitForOutput(/^4: Ana did source:updated; 2 sources$/m);
    await httpApi(ana).remove(first.source);
    await client.waitForOutput(/^5: Ana did source:deleted; 1 sources$/m);
  });
});

testEachTransport('the example client has the same sources as the service after a missed connection', async ({ newUser, newVault, startProxy }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { viewer: [ben] });
  const api = httpApi(ana);
  const created = [];
  for (const n of range(1, 3)) created.push((await api.create(shared, { ...PAPER, fileKey: `${n}` })).source);
  const proxy = await startProxy();
  await withExampleClient({ URL: proxy.url, TOKEN: ben.token(), VAULT: shared.id }, async (client) => {
    await client.waitForOutput(/^joined as viewer at 4$/m);
    await client.waitForOutput(/^3 sources$/m);
    await api.update(created[0], { fileKey: null });
    await client.waitForOutput(/^5: Ana did source:updated; 3 sources$/m);
    await proxy.waitForUpgrade();
    proxy.cut();
    await client.waitForOutput(/^disconnected: /m);
    await api.create(shared, { ...PAPER, title: 'Another' });
    await api.update(created[1], { fileKey: null });
    await api.remove(created[2]);
    proxy.restore();
    await client.waitForOutput(/^8: Ana did source:deleted; 3 sources$/m);
    process.kill(client.pid, 'SIGUSR2');
    const [, printed] = await client.waitForOutput(/^sources: (.*)$/m);
    const { sources } = (await ben.get(`/api/vaults/${shared.id}/sources`)).expectStatus(200).body;
    const byId = (list) => new Map(list.map((source) => [source.id, source]));
    assert.deepEqual(byId(JSON.parse(printed)), byId(sources));
  });
});

testEachTransport('the example client prints why its connection or its join was refused', async ({ service, newUser, newVault }) => {
  const shared = await newVault(newUser('ana'));
  const zoe = newUser('zoe');
  await withExampleClient({ URL: service.url, TOKEN: zoe.token({ ttl: -60 }), VAULT: shared.id }, async (client) => {
    await client.waitForOutput(/^not connected: UNAUTHORIZED$/m);
    assert.equal((await client.waitForExit()).code, 1);
  });
  await withExampleClient({ URL: service.url, TOKEN: zoe.token(), VAULT: shared.id }, async (client) => {
    await client.waitForOutput(/^refused: ACCESS_DENIED Access denied to vault/m);
  });
});
