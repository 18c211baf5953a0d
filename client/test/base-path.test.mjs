// The client of a service whose HTTP routes have a prefix (`server.base_path`), with the real service.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'vaultcast-client';
import { PAPER, testService, until } from './service.mjs';

const service = testService({ VAULTCAST__SERVER__BASE_PATH: '/v1' });
const isLive = ({ status }) => status === 'live';

/** Connects a client to a vault of its own, with the prefix in this form. */
async function connectBelow(basePath) {
  const ana = await service.newUser('Ana');
  const client = service.connect(ana, { basePath });
  const { body } = await client.request('POST', '/api/vaults', { name: 'Papers' });
  return { client, vault: client.vault(body.id) };
}

for (const basePath of ['/v1', '/v1/', 'v1']) {
  test(`a vault is kept in step below the prefix (${basePath})`, async () => {
    const { client, vault } = await connectBelow(basePath);
    await until(vault, isLive);
    await vault.create(PAPER);
    await until(vault, ({ sources, pending }) => sources.length === 1 && pending.length === 0);
    const path = new URL(client.socket.io.uri).pathname;
    assert.deepEqual([path, client.socket.io.opts.path], ['/', '/socket.io/']);
  });
}

test('without the prefix the routes are unknown', async () => {
  const ana = await service.newUser('Ana');
  const client = connect({ url: ana.service.url, auth: ana.token() });
  await assert.rejects(client.request('GET', '/api/me'), { code: 'NOT_FOUND' });
  client.close();
});
