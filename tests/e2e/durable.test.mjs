// What was answered is on disk: `kill -9` at the worst moments, then a look at what is still there.

import assert from 'node:assert/strict';
import { PAPER, range, story } from './harness.mjs';
import { byHttp } from './doors.mjs';

/** The vault's journal, which must have no gap. */
async function journal(person, vault) {
  const { body } = (await person.get(`/api/vaults/${vault.id}/events?limit=500`)).is(200);
  assert.deepEqual(body.events.map(({ seq }) => seq), range(1, body.seq));
  return body.events;
}

story('what was answered survives a kill right after the answer, and the order goes on without a gap', async ({ user, vault, service }) => {
  const ana = user('ana');
  const shared = await vault(ana);

  for (const round of range(1, 3)) {
    const { source, seq } = await byHttp(ana).create(shared, { ...PAPER, title: `round ${round}` });
    await service.kill();
    await service.resume();
    assert.equal(seq, round);
    assert.deepEqual((await ana.get(`/api/sources/${source.id}`)).is(200).body, source);
  }
  assert.deepEqual((await journal(ana, shared)).map(({ payload }) => payload.source.title), ['round 1', 'round 2', 'round 3']);
});

story('a kill in the middle of writing loses nothing that was answered', async ({ user, vault, service }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const answers = [];
  let killing;

  // Eight writers post until the service is gone, which is as soon as the fortieth answer is here.
  const post = async (writer) => {
    for (let number = 1; ; number += 1) {
      const source = { ...PAPER, title: `writer ${writer} number ${number}` };
      const answer = await ana.post(`/api/vaults/${shared.id}/sources`, source).catch(() => undefined);
      if (!answer) return;
      answers.push(answer.is(201));
      if (answers.length >= 40) killing ??= service.kill();
    }
  };
  await Promise.all(range(1, 8).map(post));
  await killing;
  await service.resume();

  const events = await journal(ana, shared);
  for (const { body, seq } of answers) {
    assert.equal(events[seq - 1]?.payload.source.id, body.id, `the event ${seq} is not what was answered`);
    assert.deepEqual((await ana.get(`/api/sources/${body.id}`)).is(200).body, body);
  }
  assert.equal((await byHttp(ana).create(shared, PAPER)).seq, events.length + 1);
});

story('a reader whose service was killed comes back and hears what it missed', async ({ user, vault, socket, service }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const shared = await vault(ana, { viewer: [cem] });
  const reader = await socket(cem);
  const { epoch, seq: since } = await reader.join(shared);
  await byHttp(ana).create(shared, PAPER);
  await reader.reaches(shared, since + 1);

  await service.kill();
  await reader.hears('disconnect');
  await service.resume();
  await byHttp(ana).create(shared, PAPER);
  await byHttp(ana).create(shared, PAPER);

  await reader.hears('connect');
  const joined = await reader.join(shared, { since: since + 1, epoch });
  assert.deepEqual([joined.epoch, joined.seq, joined.replayed], [epoch, since + 3, 2]);
  await byHttp(ana).create(shared, PAPER);
  await reader.reaches(shared, since + 4);
  assert.deepEqual(reader.eventsOf(shared).map(({ seq }) => seq), range(since + 1, since + 4));
});
