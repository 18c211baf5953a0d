// A backup is made during a load of mutations and restored, by the commands that docs/operations/backup.md prints. The backup contains
// every mutation that was acknowledged before it began and no partial one, and clients with later events are asked to resync.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onPostgres } from './database.mjs';
import { range } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { OperationsPage } from './operations-page.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';
import { CreateLoad } from './create-load.mjs';
import { readJournals } from './journals.mjs';

const [BACK_UP, RESTORE] = onPostgres
  ? ['How do I back up PostgreSQL?', 'How do I restore a PostgreSQL backup?']
  : ['How do I back up SQLite while the service runs?', 'How do I restore a SQLite backup?'];

test('a backup made during writes is restored by the commands of the documentation', { timeout: 300_000 }, async () => {
  const service = await TestServer.start();
  const open = [];
  try {
    const page = await OperationsPage.forService(service);
    const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
    const created = range(1, 3).map((number) => ana.post('/api/vaults', { name: `Vault ${number}` }));
    const vaults = (await Promise.all(created)).map((answer) => ({ id: answer.expectStatus(201).body.id }));
    const [followed] = vaults;
    const client = new TestClient(service.url, { auth: { token: ana.token() } });
    open.push(client);
    const identity = await client.nextEvent('connect');
    const { epoch } = await client.join(followed);

    const load = new CreateLoad([ana], vaults);
    open.push(load);
    await load.waitForMore(100);
    const before = [...load.acknowledged];
    const output = await page.runCommands(BACK_UP);
    const during = load.acknowledged.length - before.length;
    if (!onPostgres) assert.match(output, /^ok$/m);
    await load.waitForMore(100);
    await load.stop();
    assert(during > 0, 'no mutation was acknowledged during the backup');
    const last = load.acknowledged.findLast(({ vault }) => vault === followed).seq;
    await client.waitForSeq(followed, last);
    const lastSeq = client.eventsOf(followed).at(-1).seq;

    const newEpoch = (await page.runCommands(RESTORE)).trim().split('\n').at(-1);
    const journals = await readJournals(ana, vaults);
    const backedUp = new Map();
    for (const [vault, events] of journals) for (const { seq, payload } of events) backedUp.set(payload.source.title, { vault, seq });
    for (const { vault, title, seq } of before) assert.deepEqual(backedUp.get(title), { vault, seq }, title);
    const acknowledged = new Map(load.acknowledged.map(({ vault, title, seq }) => [title, { vault, seq }]));
    for (const [title, position] of backedUp) assert.deepEqual(position, acknowledged.get(title), title);
    assert(backedUp.size < acknowledged.size, 'the restored database lacks the mutations after the backup');
    for (const [vault, events] of journals) {
      const { body } = (await ana.get(`/api/vaults/${vault.id}/sources?limit=1`)).expectStatus(200);
      assert.deepEqual([body.seq, body.epoch], [events.length, newEpoch]);
    }

    const { recovered, id } = await client.nextEvent('connect');
    assert.deepEqual([recovered, id === identity.id], [false, false]);
    const joined = await client.join(followed, { since: lastSeq, epoch });
    assert.deepEqual([joined.resync, joined.epoch], [true, newEpoch]);
    assert.notEqual(newEpoch, epoch);
  } finally {
    for (const resource of open) resource.close();
    await service.dispose();
  }
});
