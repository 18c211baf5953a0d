// The contract's three source events: what they say, to whom, and when, through both doors.

import assert from 'node:assert/strict';
import { PAPER, hasExactly, isTime, story } from './harness.mjs';
import { byHttp, bySocket } from './doors.mjs';

const DOORS = {
  HTTP: async (_, person) => byHttp(person),
  'a socket': async ({ socket }, person) => bySocket(await socket(person)),
};

const BOOK = { title: 'A book', fileUrl: 'https://files.example.com/book.epub', fileKey: 'books/1', fileSize: 70_000, mimeType: 'application/epub+zip' };
const SOURCE = ['id', 'title', 'fileUrl', 'mimeType', 'vaultId'];

for (const [door, enter] of Object.entries(DOORS)) {
  story(`sources made, changed and removed over ${door} are told to everyone in the room`, async (world) => {
    const { user, vault, socket } = world;
    const [ana, ben, cem] = [user('ana'), user('ben'), user('cem')];
    const shared = await vault(ana, { contributor: [ben], viewer: [cem] });
    const room = await Promise.all([ana, ben, cem].map((person) => socket(person)));
    for (const listener of room) await listener.join(shared);
    const ben_ = await enter(world, ben);

    const made = await ben_.create(shared, PAPER);
    for (const listener of room) {
      const { source, ...event } = await listener.hears('source:created');
      hasExactly(source, [...SOURCE, 'createdAt']);
      assert.deepEqual(source, { ...PAPER, id: made.source.id, mimeType: 'application/pdf', vaultId: shared.id, createdAt: made.source.createdAt });
      isTime(source.createdAt);
      tellsOf(event, ben.as('contributor'), made.seq);
    }

    const changed = await ben_.update(made.source, { title: '  A better paper ', fileKey: 'papers/1', fileSize: 0 });
    for (const listener of room) {
      const { source, ...event } = await listener.hears('source:updated');
      hasExactly(source, [...SOURCE, 'updatedAt', 'fileKey', 'fileSize']);
      assert.deepEqual([source.title, source.fileUrl, source.fileKey, source.fileSize], ['A better paper', PAPER.fileUrl, 'papers/1', 0]);
      isTime(source.updatedAt);
      tellsOf(event, ben.as('contributor'), changed.seq);
    }

    const removed = await ben_.remove(made.source);
    for (const listener of room) {
      const { sourceId, vaultId, ...event } = await listener.hears('source:deleted');
      assert.deepEqual([sourceId, vaultId], [made.source.id, shared.id]);
      tellsOf(event, ben.as('contributor'), removed.seq);
    }

    assert.deepEqual([made.seq, changed.seq, removed.seq], [shared.seq + 1, shared.seq + 2, shared.seq + 3]);
    for (const listener of room) {
      assert.deepEqual(listener.names, ['vault:joined', 'source:created', 'source:updated', 'source:deleted']);
    }
  });

  story(`what an event of ${door} tells can be read over HTTP when it arrives`, async (world) => {
    const { user, vault, socket } = world;
    const ana = user('ana');
    const shared = await vault(ana);
    const listener = await socket(ana);
    await listener.join(shared);
    const ana_ = await enter(world, ana);

    const creating = ana_.create(shared, BOOK);
    const { source } = await listener.hears('source:created');
    const kept = (await ana.get(`/api/sources/${source.id}`)).is(200);
    assert.deepEqual(kept.body, { ...source, updatedAt: kept.body.updatedAt });
    isTime(kept.body.updatedAt);
    assert.equal(kept.headers.get('etag'), '"1"');
    assert.deepEqual(source, { ...BOOK, id: source.id, vaultId: shared.id, createdAt: source.createdAt });
    assert.deepEqual((await creating).source, kept.body);

    const updating = ana_.update(source, { title: 'A second edition', fileKey: null });
    await listener.hears('source:updated');
    const changed = (await ana.get(`/api/sources/${source.id}`)).is(200);
    hasExactly(changed.body, [...SOURCE, 'fileSize', 'createdAt', 'updatedAt']);
    assert.deepEqual([changed.body.title, changed.body.createdAt], ['A second edition', source.createdAt]);
    assert.equal(changed.headers.get('etag'), '"2"');
    assert.deepEqual((await updating).source, changed.body);

    const removing = ana_.remove(source);
    await listener.hears('source:deleted');
    (await ana.get(`/api/sources/${source.id}`)).refuses(404, 'NOT_FOUND');
    await removing;
  });

  story(`what happens over ${door} is heard by nobody outside the room`, async (world) => {
    const { user, vault, socket } = world;
    const [ana, ben, cem] = [user('ana'), user('ben'), user('cem')];
    const [shared, other] = [await vault(ana, { viewer: [ben] }), await vault(ana, { viewer: [cem] })];
    const [member, stranger] = [await socket(ben), await socket(cem)];
    await stranger.join(other);
    const ana_ = await enter(world, ana);

    const { source } = await ana_.create(shared, PAPER);
    await ana_.update(source, { title: 'Still ours' });
    await ana_.remove(source);

    // Both hear something later, so whatever they had been sent before it would be here as well.
    await ana_.create(other, PAPER);
    await stranger.hears('source:created', ({ source }) => source.vaultId === other.id);
    assert.deepEqual(stranger.names, ['vault:joined', 'source:created']);
    assert.equal((await member.join(shared)).seq, shared.seq + 3);
    assert.deepEqual(member.names, ['vault:joined']);
  });
}

/** What every source event says beside its source, and nothing more. */
function tellsOf(event, actor, seq) {
  hasExactly(event, ['actor', 'timestamp', 'seq']);
  assert.deepEqual(event.actor, actor);
  isTime(event.timestamp);
  assert.equal(event.seq, seq);
}

story('who did it is taken from the session, whatever the payload claims', async ({ user, vault, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { contributor: [ben] });
  const listener = await socket(ben);
  await listener.join(shared);

  const actor = ana.as('owner');
  const claim = { actor, userId: ana.id, timestamp: '1999-01-01T00:00:00.000Z', seq: 99 };
  const { source } = await listener.does('source:created', { source: { ...PAPER, vaultId: shared.id, id: 'cmine00000000', createdAt: claim.timestamp }, ...claim });
  const event = await listener.hears('source:created');
  assert.notEqual(source.id, 'cmine00000000');
  isTime(event.source.createdAt);
  isTime(event.timestamp);
  assert.deepEqual([event.actor, event.seq], [ben.as('contributor'), shared.seq + 1]);
});

story('an acknowledgement says what came of it', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);

  const made = await listener.ask('source:created', { vaultId: shared.id, source: PAPER });
  hasExactly(made, ['ok', 'source', 'seq']);
  hasExactly(made.source, [...SOURCE, 'createdAt', 'updatedAt']);
  const changed = await listener.ask('source:updated', { source: { id: made.source.id, title: 'Changed' } });
  hasExactly(changed, ['ok', 'source', 'seq']);
  assert.deepEqual(await listener.ask('source:deleted', { sourceId: made.source.id }), { ok: true, seq: 3 });

  const refused = await listener.ask('source:deleted', { sourceId: made.source.id });
  hasExactly(refused, ['ok', 'error']);
  assert.deepEqual([refused.ok, refused.error.code], [false, 'NOT_FOUND']);
  assert.equal(typeof refused.error.message, 'string');
});

story('a mutation needs no acknowledgement and no room', async ({ user, vault, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { contributor: [ben] });
  const [reader, writer] = [await socket(ana), await socket(ben)];
  await reader.join(shared);

  writer.tell('source:created', { vaultId: shared.id, source: PAPER });
  assert.equal((await reader.hears('source:created')).source.title, PAPER.title);
  assert.deepEqual(writer.names, []);
});

story('one key makes one source, whichever door it comes through again', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);
  await listener.join(shared);
  const post = (source) => ana.post(`/api/vaults/${shared.id}/sources`, source, { 'idempotency-key': 'once' });

  const first = (await post(PAPER)).is(201);
  const again = (await post({ ...PAPER, mimeType: 'application/pdf' })).is(201);
  const wired = await listener.does('source:created', { vaultId: shared.id, source: PAPER, key: 'once' });
  for (const { body, seq } of [again, { body: wired.source, seq: wired.seq }]) {
    assert.deepEqual([body, seq], [first.body, first.seq]);
  }
  (await post(BOOK)).refuses(409, 'IDEMPOTENCY_MISMATCH');

  const next = await byHttp(ana).create(shared, BOOK);
  await listener.reaches(shared, next.seq);
  assert.deepEqual(listener.eventsOf(shared).map(({ payload }) => payload.source.id), [first.body.id, next.source.id]);
});
