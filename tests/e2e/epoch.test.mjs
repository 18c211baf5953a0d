// A restored backup. The sequence numbers that clients know may now belong to other events, so `vaultcast epoch renew` marks a new
// history. Clients with the old epoch list again and keep no event of the abandoned history.

import assert from 'node:assert/strict';
import { httpApi } from './source-api.mjs';
import { PAPER, range, testEachTransport } from './test-context.mjs';

const withTitle = (title) => ({ ...PAPER, title });

/** Joins and lists as the interface prescribes: a client lists first, joins with `since`, and lists again on `resync`. */
async function sync(user, client, vault, known) {
  const { seq, epoch } = known;
  const joined = await client.join(vault, seq === undefined ? undefined : { since: seq, epoch });
  if (seq !== undefined && !joined.resync) return known;
  const { body } = (await user.get(`/api/vaults/${vault.id}/sources`)).expectStatus(200);
  return { seq: body.seq, epoch: body.epoch, titles: body.sources.map(({ title }) => title) };
}

testEachTransport('after a restored backup and a renewed epoch, a client with later events is asked to resync', async ({ service, newUser, newVault, connectClient }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const shared = await newVault(ana, { viewer: [cem] });
  const reader = await connectClient(cem);
  for (const title of ['one', 'two']) await httpApi(ana).create(shared, withTitle(title));
  let known = await sync(cem, reader, shared, {});
  assert.deepEqual(known.titles, ['two', 'one']);

  await reader.waitForUpgrade();
  await service.stop();
  await service.database.backUp();
  await service.restart();
  await reader.nextEvent('connect');
  const before = known.seq;
  assert.equal(await sync(cem, reader, shared, known), known);
  for (const title of ['phantom', 'phantom', 'phantom']) await httpApi(ana).create(shared, withTitle(title));
  await reader.waitForSeq(shared, before + 3);
  const old = { seq: before + 3, epoch: known.epoch, titles: [] };

  await reader.waitForUpgrade();
  await service.stop();
  await service.database.restore();
  const newEpoch = (await service.run('epoch', 'renew')).trim();
  assert.notEqual(newEpoch, old.epoch);
  await service.restart();
  // The new history reuses the same numbers for other events and continues past them.
  for (const number of range(1, 5)) await httpApi(ana).create(shared, withTitle(`new ${number}`));

  await reader.nextEvent('connect');
  const received = reader.eventsOf(shared).length;
  known = await sync(cem, reader, shared, old);
  assert.deepEqual([known.epoch, known.seq], [newEpoch, before + 5]);
  assert.deepEqual(known.titles, ['new 5', 'new 4', 'new 3', 'new 2', 'new 1', 'two', 'one']);
  assert.equal(reader.eventsOf(shared).length, received, 'a resync must not replay events');

  // Every listing carries the new epoch, and a join with the new epoch is replayed.
  for (const listing of ['sources', 'members', 'events']) {
    assert.equal((await cem.get(`/api/vaults/${shared.id}/${listing}`)).expectStatus(200).body.epoch, newEpoch, listing);
  }
  const beyond = await reader.join(shared, { since: before + 6 });
  assert.deepEqual([beyond.resync, beyond.epoch], [true, newEpoch]);
  const replayed = await reader.join(shared, { since: before + 3, epoch: newEpoch });
  assert.deepEqual([replayed.resync, replayed.replayed], [undefined, 2]);
  await httpApi(ana).create(shared, withTitle('last'));
  await reader.waitForSeq(shared, before + 6);
  const after = reader.eventsOf(shared).slice(received);
  assert.deepEqual(after.map(({ payload }) => payload.source.title), ['new 4', 'new 5', 'last']);
});
