// What is trimmed is gone for everybody, and whoever comes back from before it is told so.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { byHttp } from './doors.mjs';
import { PAPER, range } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

const KEPT = 5;

let service, listener;
after(() => {
  listener?.close();
  return service?.dispose();
});

test('who knows less than is kept lists anew, and who knows enough is told the rest', { timeout: 60_000 }, async () => {
  service = await Service.start('serve', { VAULTCAST__JOURNAL__RETAIN_EVENTS: `${KEPT}` });
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
  const { id } = (await ana.post('/api/vaults', { name: 'Long' })).is(201).body;
  const vault = { id };
  for (const _ of range(1, 12)) await byHttp(ana).create(vault, PAPER);
  const first = 12 - KEPT + 1;

  // A service trims when it starts; nothing announces that it has.
  await service.stop();
  await service.resume();
  const events = (since) => ana.get(`/api/vaults/${id}/events?since=${since}`);
  while ((await events(0)).status === 200) await pause(20);
  (await events(0)).refuses(410, 'JOURNAL_TRIMMED');
  (await events(first - 2)).refuses(410, 'JOURNAL_TRIMMED');
  const { body } = (await events(first - 1)).is(200);
  assert.deepEqual(body.events.map(({ seq }) => seq), range(first, 12));
  assert.deepEqual((await events(12)).is(200).body.events, []);

  listener = new Listener(service.url, { auth: { token: ana.token() } });
  await listener.hears('connect');
  const { epoch } = body;
  for (const since of [0, first - 2]) {
    const joined = await listener.join(vault, { since, epoch });
    assert.deepEqual([joined.resync, joined.seq, joined.replayed], [true, 12, undefined]);
  }
  assert.deepEqual(listener.eventsOf(vault), []);
  const joined = await listener.join(vault, { since: first - 1, epoch });
  assert.deepEqual([joined.resync, joined.replayed], [undefined, KEPT]);
  await listener.reaches(vault, 12);
  // All sources are there: it is only the past that is kept no longer.
  const listed = (await ana.get(`/api/vaults/${id}/sources`)).is(200).body;
  assert.deepEqual([listed.sources.length, listed.seq], [12, 12]);
  await byHttp(ana).create(vault, PAPER);
  await listener.reaches(vault, 13);
  assert.deepEqual(listener.eventsOf(vault).map(({ seq }) => seq), range(first, 13));
});
