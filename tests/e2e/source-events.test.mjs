// The three source events of the contract: their payload, their recipients and their order, over HTTP and over sockets.

import assert from 'node:assert/strict';
import { PAPER, assertKeys, assertRecentTime, testEachTransport } from './test-context.mjs';
import { httpApi, socketApi } from './source-api.mjs';

const APIS = {
  HTTP: async (_, user) => httpApi(user),
  'a socket': async ({ connectClient }, user) => socketApi(await connectClient(user)),
};

const BOOK = { title: 'A book', fileUrl: 'https://files.example.com/book.epub', fileKey: 'books/1', fileSize: 70_000, mimeType: 'application/epub+zip' };
const SOURCE = ['id', 'title', 'fileUrl', 'mimeType', 'vaultId'];

for (const [name, open] of Object.entries(APIS)) {
  testEachTransport(`sources created, updated and deleted over ${name} are sent to every subscriber of the vault`, async (context) => {
    const { newUser, newVault, connectClient } = context;
    const [ana, ben, cem] = [newUser('ana'), newUser('ben'), newUser('cem')];
    const shared = await newVault(ana, { contributor: [ben], viewer: [cem] });
    const subscribers = await Promise.all([ana, ben, cem].map((user) => connectClient(user)));
    for (const client of subscribers) await client.join(shared);
    const benApi = await open(context, ben);

    const created = await benApi.create(shared, PAPER);
    for (const client of subscribers) {
      const { source, ...event } = await client.nextEvent('source:created');
      assertKeys(source, [...SOURCE, 'createdAt']);
      assert.deepEqual(source, { ...PAPER, id: created.source.id, mimeType: 'application/pdf', vaultId: shared.id, createdAt: created.source.createdAt });
      assertRecentTime(source.createdAt);
      assertEventFields(event, ben.actor('contributor'), created.seq);
    }

    const changed = await benApi.update(created.source, { title: '  A better paper ', fileKey: 'papers/1', fileSize: 0 });
    for (const client of subscribers) {
      const { source, ...event } = await client.nextEvent('source:updated');
      assertKeys(source, [...SOURCE, 'updatedAt', 'fileKey', 'fileSize']);
      assert.deepEqual([source.title, source.fileUrl, source.fileKey, source.fileSize], ['A better paper', PAPER.fileUrl, 'papers/1', 0]);
      assertRecentTime(source.updatedAt);
      assertEventFields(event, ben.actor('contributor'), changed.seq);
    }

    const removed = await benApi.remove(created.source);
    for (const client of subscribers) {
      const { sourceId, vaultId, ...event } = await client.nextEvent('source:deleted');
      assert.deepEqual([sourceId, vaultId], [created.source.id, shared.id]);
      assertEventFields(event, ben.actor('contributor'), removed.seq);
    }

    assert.deepEqual([created.seq, changed.seq, removed.seq], [shared.seq + 1, shared.seq + 2, shared.seq + 3]);
    for (const client of subscribers) {
      assert.deepEqual(client.eventNames, ['vault:joined', 'source:created', 'source:updated', 'source:deleted']);
    }
  });

  testEachTransport(`titles and media types sent over ${name} are trimmed, and an empty type is application/pdf`, async (context) => {
    const ana = context.newUser('ana');
    const shared = await context.newVault(ana);
    const anaApi = await open(context, ana);
    const { source } = await anaApi.create(shared, { ...PAPER, title: '\ufeff A paper\u3000', mimeType: ' Text/HTML; charset=utf-8;' });
    assert.deepEqual([source.title, source.mimeType], ['A paper', 'Text/HTML; charset=utf-8;']);
    for (const mimeType of ['', 'image/png', null, 'application/pdf; charset=binary', '\ufeff']) {
      const changed = await anaApi.update(source, { mimeType });
      assert.equal(changed.source.mimeType, mimeType?.trim() || 'application/pdf');
    }
  });

  testEachTransport(`a change made over ${name} can be read over HTTP when its event arrives`, async (context) => {
    const { newUser, newVault, connectClient } = context;
    const ana = newUser('ana');
    const shared = await newVault(ana);
    const client = await connectClient(ana);
    await client.join(shared);
    const anaApi = await open(context, ana);

    const creating = anaApi.create(shared, BOOK);
    const { source } = await client.nextEvent('source:created');
    const stored = (await ana.get(`/api/sources/${source.id}`)).expectStatus(200);
    assert.deepEqual(stored.body, { ...source, updatedAt: stored.body.updatedAt });
    assertRecentTime(stored.body.updatedAt);
    assert.equal(stored.headers.get('etag'), '"1"');
    assert.deepEqual(source, { ...BOOK, id: source.id, vaultId: shared.id, createdAt: source.createdAt });
    assert.deepEqual((await creating).source, stored.body);

    const updating = anaApi.update(source, { title: 'A second edition', fileKey: null });
    await client.nextEvent('source:updated');
    const changed = (await ana.get(`/api/sources/${source.id}`)).expectStatus(200);
    assertKeys(changed.body, [...SOURCE, 'fileSize', 'createdAt', 'updatedAt']);
    assert.deepEqual([changed.body.title, changed.body.createdAt], ['A second edition', source.createdAt]);
    assert.equal(changed.headers.get('etag'), '"2"');
    assert.deepEqual((await updating).source, changed.body);

    const removing = anaApi.remove(source);
    await client.nextEvent('source:deleted');
    (await ana.get(`/api/sources/${source.id}`)).expectError(404, 'NOT_FOUND');
    await removing;
  });

  testEachTransport(`a change made over ${name} is sent to no socket outside the vault`, async (context) => {
    const { newUser, newVault, connectClient } = context;
    const [ana, ben, cem] = [newUser('ana'), newUser('ben'), newUser('cem')];
    const [shared, other] = [await newVault(ana, { viewer: [ben] }), await newVault(ana, { viewer: [cem] })];
    const [member, stranger] = [await connectClient(ben), await connectClient(cem)];
    await stranger.join(other);
    const anaApi = await open(context, ana);

    const { source } = await anaApi.create(shared, PAPER);
    await anaApi.update(source, { title: 'Still ours' });
    await anaApi.remove(source);

    // Both clients receive a later event, which arrives after anything that the service sent before.
    await anaApi.create(other, PAPER);
    await stranger.nextEvent('source:created', ({ source }) => source.vaultId === other.id);
    assert.deepEqual(stranger.eventNames, ['vault:joined', 'source:created']);
    assert.equal((await member.join(shared)).seq, shared.seq + 3);
    assert.deepEqual(member.eventNames, ['vault:joined']);
  });
}

/** Asserts the fields that every source event carries beside its source. */
function assertEventFields(event, actor, seq) {
  assertKeys(event, ['actor', 'timestamp', 'seq']);
  assert.deepEqual(event.actor, actor);
  assertRecentTime(event.timestamp);
  assert.equal(event.seq, seq);
}

testEachTransport('the actor is taken from the session and not from the payload', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { contributor: [ben] });
  const client = await connectClient(ben);
  await client.join(shared);

  const actor = ana.actor('owner');
  const claim = { actor, userId: ana.id, timestamp: '1999-01-01T00:00:00.000Z', seq: 99 };
  const { source } = await client.emitOk('source:created', { source: { ...PAPER, vaultId: shared.id, id: 'cmine00000000', createdAt: claim.timestamp }, ...claim });
  const event = await client.nextEvent('source:created');
  assert.notEqual(source.id, 'cmine00000000');
  assertRecentTime(event.source.createdAt);
  assertRecentTime(event.timestamp);
  assert.deepEqual([event.actor, event.seq], [ben.actor('contributor'), shared.seq + 1]);
});

testEachTransport('an acknowledgement carries the result of the mutation', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);

  const created = await client.emitWithAck('source:created', { vaultId: shared.id, source: PAPER });
  assertKeys(created, ['ok', 'source', 'seq']);
  assertKeys(created.source, [...SOURCE, 'createdAt', 'updatedAt']);
  const changed = await client.emitWithAck('source:updated', { source: { id: created.source.id, title: 'Changed' } });
  assertKeys(changed, ['ok', 'source', 'seq']);
  assert.deepEqual(await client.emitWithAck('source:deleted', { sourceId: created.source.id }), { ok: true, seq: 3 });

  const refused = await client.emitWithAck('source:deleted', { sourceId: created.source.id });
  assertKeys(refused, ['ok', 'error']);
  assert.deepEqual([refused.ok, refused.error.code], [false, 'NOT_FOUND']);
  assert.equal(typeof refused.error.message, 'string');
});

testEachTransport('a mutation needs neither an acknowledgement nor a subscription', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { contributor: [ben] });
  const [reader, writer] = [await connectClient(ana), await connectClient(ben)];
  await reader.join(shared);

  writer.emit('source:created', { vaultId: shared.id, source: PAPER });
  assert.equal((await reader.nextEvent('source:created')).source.title, PAPER.title);
  assert.deepEqual(writer.eventNames, []);
});

testEachTransport('one idempotency key creates one source over both HTTP and sockets', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  await client.join(shared);
  const post = (source) => ana.post(`/api/vaults/${shared.id}/sources`, source, { 'idempotency-key': 'once' });

  const first = (await post(PAPER)).expectStatus(201);
  const again = (await post({ ...PAPER, mimeType: 'application/pdf' })).expectStatus(201);
  const overSocket = await client.emitOk('source:created', { vaultId: shared.id, source: PAPER, key: 'once' });
  for (const { body, seq } of [again, { body: overSocket.source, seq: overSocket.seq }]) {
    assert.deepEqual([body, seq], [first.body, first.seq]);
  }
  for (const mimeType of ['', null, ' \ufeff']) {
    assert.deepEqual((await post({ ...PAPER, mimeType })).expectStatus(201).body, first.body);
    const { source } = await client.emitOk('source:created', { vaultId: shared.id, source: { ...PAPER, mimeType }, key: 'once' });
    assert.deepEqual(source, first.body);
  }
  (await post(BOOK)).expectError(409, 'IDEMPOTENCY_MISMATCH');

  const next = await httpApi(ana).create(shared, BOOK);
  await client.waitForSeq(shared, next.seq);
  assert.deepEqual(client.eventsOf(shared).map(({ payload }) => payload.source.id), [first.body.id, next.source.id]);
});
