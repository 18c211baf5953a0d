// A backup is made and put back as docs/operations.md says, by the very commands that stand there, while people write. What
// was answered before the backup began is in it, nothing is in it by half, and who knows later events lists anew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onPostgres } from './database.mjs';
import { range } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Page } from './page.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';
import { journalsOf, Writers } from './writers.mjs';

const [BACK_UP, PUT_BACK] = onPostgres
  ? ['How do I back up PostgreSQL?', 'How do I put a backup of PostgreSQL back?']
  : ['How do I back up SQLite while it runs?', "The disk died. How do I bring back last night's SQLite file?"];

test('a backup that was made while people wrote is put back by the commands of the documentation', { timeout: 120_000 }, async () => {
  const service = await Service.start();
  const open = [];
  try {
    const page = await Page.of(service);
    const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
    const made = range(1, 3).map((number) => ana.post('/api/vaults', { name: `Vault ${number}` }));
    const vaults = (await Promise.all(made)).map((answer) => ({ id: answer.is(201).body.id }));
    const [followed] = vaults;
    const listener = new Listener(service.url, { auth: { token: ana.token() } });
    open.push(listener);
    const self = await listener.hears('connect');
    const { epoch } = await listener.join(followed);

    const writers = new Writers([ana], vaults);
    open.push(writers);
    await writers.more(100);
    const before = [...writers.acknowledged];
    const said = await page.follow(BACK_UP);
    const during = writers.acknowledged.length - before.length;
    if (!onPostgres) assert.match(said, /^ok$/m);
    await writers.more(100);
    await writers.stop();
    assert(during > 0, 'nobody wrote while the backup was made');
    const last = writers.acknowledged.findLast(({ vault }) => vault === followed).seq;
    await listener.reaches(followed, last);
    const known = listener.eventsOf(followed).at(-1).seq;

    const renewed = (await page.follow(PUT_BACK)).trim().split('\n').at(-1);
    const journals = await journalsOf(ana, vaults);
    const backedUp = new Map();
    for (const [vault, events] of journals) for (const { seq, payload } of events) backedUp.set(payload.source.title, { vault, seq });
    for (const { vault, title, seq } of before) assert.deepEqual(backedUp.get(title), { vault, seq }, title);
    const acknowledged = new Map(writers.acknowledged.map(({ vault, title, seq }) => [title, { vault, seq }]));
    for (const [title, where] of backedUp) assert.deepEqual(where, acknowledged.get(title), title);
    assert(backedUp.size < acknowledged.size, 'what came after the backup is gone');
    for (const [vault, events] of journals) {
      const { body } = (await ana.get(`/api/vaults/${vault.id}/sources?limit=1`)).is(200);
      assert.deepEqual([body.seq, body.epoch], [events.length, renewed]);
    }

    const { recovered, id } = await listener.hears('connect');
    assert.deepEqual([recovered, id === self.id], [false, false]);
    const joined = await listener.join(followed, { since: known, epoch });
    assert.deepEqual([joined.resync, joined.epoch], [true, renewed]);
    assert.notEqual(renewed, epoch);
  } finally {
    for (const one of open) one.close();
    await service.dispose();
  }
});
