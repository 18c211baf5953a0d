// One order: many writers at once through both doors, many readers, and every reader sees the same gapless line.

import assert from 'node:assert/strict';
import { byHttp, bySocket } from './doors.mjs';
import { PAPER, range, story } from './harness.mjs';
import { journalOf } from './writers.mjs';

const MUTATIONS = 1000;
const WRITERS = 8;
const LANES = 5; // mutations that one writer has under way at a time
const ROUNDS = 5; // of five mutations each
assert.equal(WRITERS * LANES * ROUNDS * 5, MUTATIONS);

story('a thousand mutations by eight writers reach twenty sockets in one gapless order', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const writers = range(1, WRITERS).map((number) => user(`writer${number}`));
  const readers = range(1, 4).map((number) => user(`reader${number}`));
  const shared = await vault(ana, { contributor: writers, viewer: readers });
  const last = shared.seq + MUTATIONS;

  const room = await Promise.all([...writers.slice(0, 4), ...readers, ...readers, ...readers, ...readers].map((person) => socket(person)));
  assert.equal(room.length, 20);
  for (const listener of room) assert.equal((await listener.join(shared)).seq, shared.seq);

  const doors = [...room.slice(0, 4).map(bySocket), ...writers.slice(4).map(byHttp)];
  const lanes = doors.flatMap((door, writer) => range(1, LANES).map((lane) => write(door, shared, `writer ${writer} lane ${lane}`)));
  const answers = (await Promise.all(lanes)).flat();

  // Every socket heard every event once, in order, and the same of each.
  await Promise.all(room.map((listener) => listener.reaches(shared, last)));
  const told = room[0].eventsOf(shared);
  assert.deepEqual(told.map(({ seq }) => seq), range(shared.seq + 1, last));
  for (const listener of room) assert.deepEqual(listener.eventsOf(shared), told);

  // Every answer carries the number of its own event.
  assert.deepEqual(answers.map(({ seq }) => seq).sort((a, b) => a - b), range(shared.seq + 1, last));
  for (const { seq, event, id, title } of answers) {
    const { event: name, payload } = told[seq - shared.seq - 1];
    assert.deepEqual([name, payload.source?.id ?? payload.sourceId, payload.source?.title], [event, id, title]);
  }

  // Who comes late hears the same line from its beginning, and the journal over HTTP is that line too.
  const late = await socket(ana);
  assert.equal((await late.join(shared, { since: 0 })).replayed, last);
  await late.reaches(shared, last);
  assert.deepEqual(late.eventsOf(shared).map(({ seq }) => seq), range(1, last));
  assert.deepEqual(late.eventsOf(shared).slice(shared.seq), told);
  assert.deepEqual((await journalOf(ana, shared)).slice(shared.seq), told);
});

/** Makes, changes and removes sources one after the other; gives back what each answer said. */
async function write(door, vault, name) {
  const answers = [];
  const did = (event, { id }, title, { seq }) => answers.push({ event, id, title, seq });
  for (const round of range(1, ROUNDS)) {
    const title = `${name} round ${round}`;
    const first = await door.create(vault, { ...PAPER, title });
    did('source:created', first.source, title, first);
    const second = await door.create(vault, { ...PAPER, title });
    did('source:created', second.source, title, second);
    did('source:updated', first.source, `${title} changed`, await door.update(first.source, { title: `${title} changed` }));
    did('source:deleted', second.source, undefined, await door.remove(second.source));
    did('source:updated', first.source, `${title} again`, await door.update(first.source, { title: `${title} again` }));
  }
  return answers;
}

story('what one socket sends without waiting takes effect in the order sent', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);
  await listener.join(shared);

  const asked = range(1, 100).map((number) => listener.does('source:created', { vaultId: shared.id, source: { ...PAPER, title: `number ${number}` } }));
  const answers = await Promise.all(asked);
  assert.deepEqual(answers.map(({ seq }) => seq), range(1, 100));

  await listener.reaches(shared, 100);
  assert.deepEqual(listener.eventsOf(shared).map(({ payload }) => payload.source.title), range(1, 100).map((number) => `number ${number}`));
});
