// The order of events: many writers at once over HTTP and sockets, many readers, and the same gapless sequence for every reader.

import assert from 'node:assert/strict';
import { httpApi, socketApi } from './source-api.mjs';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { readJournal } from './journals.mjs';

const MUTATIONS = 1000;
const WRITERS = 8;
const LANES = 5; // concurrent mutations of one writer
const ROUNDS = 5; // five mutations each
assert.equal(WRITERS * LANES * ROUNDS * 5, MUTATIONS);

testEachTransport('a thousand mutations by eight writers reach twenty sockets in one gapless order', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const writers = range(1, WRITERS).map((number) => newUser(`writer${number}`));
  const readers = range(1, 4).map((number) => newUser(`reader${number}`));
  const shared = await newVault(ana, { contributor: writers, viewer: readers });
  const last = shared.seq + MUTATIONS;

  const clients = await Promise.all([...writers.slice(0, 4), ...readers, ...readers, ...readers, ...readers].map((user) => connectClient(user)));
  assert.equal(clients.length, 20);
  for (const client of clients) assert.equal((await client.join(shared)).seq, shared.seq);

  const apis = [...clients.slice(0, 4).map(socketApi), ...writers.slice(4).map(httpApi)];
  const lanes = apis.flatMap((api, writer) => range(1, LANES).map((lane) => write(api, shared, `writer ${writer} lane ${lane}`)));
  const answers = (await Promise.all(lanes)).flat();

  // Every socket received the same events, each once and in order.
  await Promise.all(clients.map((client) => client.waitForSeq(shared, last)));
  const events = clients[0].eventsOf(shared);
  assert.deepEqual(events.map(({ seq }) => seq), range(shared.seq + 1, last));
  for (const client of clients) assert.deepEqual(client.eventsOf(shared), events);

  // Every answer carries the seq of its own event.
  assert.deepEqual(answers.map(({ seq }) => seq).sort((a, b) => a - b), range(shared.seq + 1, last));
  for (const { seq, event, id, title } of answers) {
    const { event: name, payload } = events[seq - shared.seq - 1];
    assert.deepEqual([name, payload.source?.id ?? payload.sourceId, payload.source?.title], [event, id, title]);
  }

  // A late client and the journal over HTTP have the same sequence from its beginning.
  const late = await connectClient(ana);
  assert.equal((await late.join(shared, { since: 0 })).replayed, last);
  await late.waitForSeq(shared, last);
  assert.deepEqual(late.eventsOf(shared).map(({ seq }) => seq), range(1, last));
  assert.deepEqual(late.eventsOf(shared).slice(shared.seq), events);
  assert.deepEqual((await readJournal(ana, shared)).slice(shared.seq), events);
});

/** Creates, updates and deletes sources one after the other and returns the content of each answer. */
async function write(api, vault, name) {
  const answers = [];
  const record = (event, { id }, title, { seq }) => answers.push({ event, id, title, seq });
  for (const round of range(1, ROUNDS)) {
    const title = `${name} round ${round}`;
    const first = await api.create(vault, { ...PAPER, title });
    record('source:created', first.source, title, first);
    const second = await api.create(vault, { ...PAPER, title });
    record('source:created', second.source, title, second);
    record('source:updated', first.source, `${title} changed`, await api.update(first.source, { title: `${title} changed` }));
    record('source:deleted', second.source, undefined, await api.remove(second.source));
    record('source:updated', first.source, `${title} again`, await api.update(first.source, { title: `${title} again` }));
  }
  return answers;
}

testEachTransport('events that one socket sends without waiting take effect in the order sent', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  await client.join(shared);

  const pending = range(1, 100).map((number) => client.emitOk('source:created', { vaultId: shared.id, source: { ...PAPER, title: `number ${number}` } }));
  const answers = await Promise.all(pending);
  assert.deepEqual(answers.map(({ seq }) => seq), range(1, 100));

  await client.waitForSeq(shared, 100);
  assert.deepEqual(client.eventsOf(shared).map(({ payload }) => payload.source.title), range(1, 100).map((number) => `number ${number}`));
});
