// A trimmed journal: older events are no longer available, and a client that asks for them is asked to resync.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

const RETAINED = 5;

let service, client;
after(() => {
  client?.close();
  return service?.dispose();
});

test('a join with since is replayed from the retained events and answered with resync before them', { timeout: 180_000 }, async () => {
  service = await TestServer.start('serve', { VAULTCAST__JOURNAL__RETAIN_EVENTS: `${RETAINED}` });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  const { id } = (await ana.post('/api/vaults', { name: 'Long' })).expectStatus(201).body;
  const vault = { id };
  for (const _ of range(1, 12)) await httpApi(ana).create(vault, PAPER);
  const first = 12 - RETAINED + 1;

  // The service trims the journal when it starts. No event announces the end of the trim, so the test polls for it.
  await service.stop();
  await service.restart();
  const events = (since) => ana.get(`/api/vaults/${id}/events?since=${since}`);
  while ((await events(0)).status === 200) await pause(20);
  (await events(0)).expectError(410, 'JOURNAL_TRIMMED');
  (await events(first - 2)).expectError(410, 'JOURNAL_TRIMMED');
  const { body } = (await events(first - 1)).expectStatus(200);
  assert.deepEqual(body.events.map(({ seq }) => seq), range(first, 12));
  assert.deepEqual((await events(12)).expectStatus(200).body.events, []);

  client = new TestClient(service.url, { auth: { token: ana.token() } });
  await client.nextEvent('connect');
  const { epoch } = body;
  for (const since of [0, first - 2]) {
    const joined = await client.join(vault, { since, epoch });
    assert.deepEqual([joined.resync, joined.seq, joined.replayed], [true, 12, undefined]);
  }
  assert.deepEqual(client.eventsOf(vault), []);
  const joined = await client.join(vault, { since: first - 1, epoch });
  assert.deepEqual([joined.resync, joined.replayed], [undefined, RETAINED]);
  await client.waitForSeq(vault, 12);
  // The trim removes events only. All sources remain.
  const listed = (await ana.get(`/api/vaults/${id}/sources`)).expectStatus(200).body;
  assert.deepEqual([listed.sources.length, listed.seq], [12, 12]);
  await httpApi(ana).create(vault, PAPER);
  await client.waitForSeq(vault, 13);
  assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(first, 13));
});
