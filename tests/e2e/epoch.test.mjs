// A backup is put back. Numbers that clients know may stand for other events from here on, so `vaultcast epoch renew` says
// that it is another history: they list anew, and nobody keeps what never was.

import assert from 'node:assert/strict';
import { byHttp } from './doors.mjs';
import { PAPER, range, story } from './harness.mjs';

const titled = (title) => ({ ...PAPER, title });

/** What a client knows that follows the interface: it lists, joins from there, and lists anew when it is told to. */
async function inStep(person, listener, vault, known) {
  const { seq, epoch } = known;
  const joined = await listener.join(vault, seq === undefined ? undefined : { since: seq, epoch });
  if (seq !== undefined && !joined.resync) return known;
  const { body } = (await person.get(`/api/vaults/${vault.id}/sources`)).is(200);
  return { seq: body.seq, epoch: body.epoch, titles: body.sources.map(({ title }) => title) };
}

story('after a backup was put back and the epoch renewed, who knew later events lists anew', async ({ service, user, vault, socket }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const shared = await vault(ana, { viewer: [cem] });
  const reader = await socket(cem);
  for (const title of ['one', 'two']) await byHttp(ana).create(shared, titled(title));
  let known = await inStep(cem, reader, shared, {});
  assert.deepEqual(known.titles, ['two', 'one']);

  await service.stop();
  await service.database.backUp();
  await service.resume();
  await reader.hears('connect');
  const before = known.seq;
  assert.equal(await inStep(cem, reader, shared, known), known);
  for (const title of ['phantom', 'phantom', 'phantom']) await byHttp(ana).create(shared, titled(title));
  await reader.reaches(shared, before + 3);
  const old = { seq: before + 3, epoch: known.epoch, titles: [] };

  await service.stop();
  await service.database.putBack();
  const told = (await service.run('epoch', 'renew')).trim();
  assert.notEqual(told, old.epoch);
  await service.resume();
  // In the new history the same numbers soon stand for something else, and there are more of them.
  for (const number of range(1, 5)) await byHttp(ana).create(shared, titled(`new ${number}`));

  await reader.hears('connect');
  const heard = reader.eventsOf(shared).length;
  known = await inStep(cem, reader, shared, old);
  assert.deepEqual([known.epoch, known.seq], [told, before + 5]);
  assert.deepEqual(known.titles, ['new 5', 'new 4', 'new 3', 'new 2', 'new 1', 'two', 'one']);
  assert.equal(reader.eventsOf(shared).length, heard, 'nothing is replayed to who has to list anew');

  // Everything that carries an epoch says the new one, and who names it is told what follows.
  for (const listing of ['sources', 'members', 'events']) {
    assert.equal((await cem.get(`/api/vaults/${shared.id}/${listing}`)).is(200).body.epoch, told, listing);
  }
  const beyond = await reader.join(shared, { since: before + 6 });
  assert.deepEqual([beyond.resync, beyond.epoch], [true, told]);
  const replayed = await reader.join(shared, { since: before + 3, epoch: told });
  assert.deepEqual([replayed.resync, replayed.replayed], [undefined, 2]);
  await byHttp(ana).create(shared, titled('last'));
  await reader.reaches(shared, before + 6);
  const after = reader.eventsOf(shared).slice(heard);
  assert.deepEqual(after.map(({ payload }) => payload.source.title), ['new 4', 'new 5', 'last']);
});
