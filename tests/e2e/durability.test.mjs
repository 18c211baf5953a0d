// Durability of acknowledged mutations: the service is killed at critical moments, and the database is checked afterwards.

import assert from 'node:assert/strict';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { httpApi } from './source-api.mjs';

/** Reads the journal of the vault and asserts that it has no gap. */
async function readWholeJournal(user, vault) {
  const { body } = (await user.get(`/api/vaults/${vault.id}/events?limit=500`)).expectStatus(200);
  assert.deepEqual(body.events.map(({ seq }) => seq), range(1, body.seq));
  return body.events;
}

testEachTransport('an acknowledged mutation survives a kill right after its answer, and the journal continues without a gap', async ({ newUser, newVault, service }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);

  for (const round of range(1, 3)) {
    const { source, seq } = await httpApi(ana).create(shared, { ...PAPER, title: `round ${round}` });
    await service.kill();
    await service.restart();
    assert.equal(seq, round);
    assert.deepEqual((await ana.get(`/api/sources/${source.id}`)).expectStatus(200).body, source);
  }
  assert.deepEqual((await readWholeJournal(ana, shared)).map(({ payload }) => payload.source.title), ['round 1', 'round 2', 'round 3']);
});

testEachTransport('a kill during writes loses no acknowledged mutation', async ({ newUser, newVault, service }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const answers = [];
  let killing;

  // Eight writers create sources until the service is killed, right after the fortieth answer.
  const post = async (writer) => {
    for (let number = 1; ; number += 1) {
      const source = { ...PAPER, title: `writer ${writer} number ${number}` };
      const answer = await ana.post(`/api/vaults/${shared.id}/sources`, source).catch(() => undefined);
      if (!answer) return;
      answers.push(answer.expectStatus(201));
      if (answers.length >= 40) killing ??= service.kill();
    }
  };
  await Promise.all(range(1, 8).map(post));
  await killing;
  await service.restart();

  const events = await readWholeJournal(ana, shared);
  for (const { body, seq } of answers) {
    assert.equal(events[seq - 1]?.payload.source.id, body.id, `event ${seq} differs from its answer`);
    assert.deepEqual((await ana.get(`/api/sources/${body.id}`)).expectStatus(200).body, body);
  }
  assert.equal((await httpApi(ana).create(shared, PAPER)).seq, events.length + 1);
});

testEachTransport('a reader reconnects after a kill and receives the missed events', async ({ newUser, newVault, connectClient, service }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const shared = await newVault(ana, { viewer: [cem] });
  const reader = await connectClient(cem);
  const { epoch, seq: since } = await reader.join(shared);
  await httpApi(ana).create(shared, PAPER);
  await reader.waitForSeq(shared, since + 1);

  await reader.waitForUpgrade();
  await service.kill();
  await reader.nextEvent('disconnect');
  await service.restart();
  await httpApi(ana).create(shared, PAPER);
  await httpApi(ana).create(shared, PAPER);

  await reader.nextEvent('connect');
  const joined = await reader.join(shared, { since: since + 1, epoch });
  assert.deepEqual([joined.epoch, joined.seq, joined.replayed], [epoch, since + 3, 2]);
  await httpApi(ana).create(shared, PAPER);
  await reader.waitForSeq(shared, since + 4);
  assert.deepEqual(reader.eventsOf(shared).map(({ seq }) => seq), range(since + 1, since + 4));
});
