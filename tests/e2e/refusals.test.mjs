// Refused requests and their errors, and the effect of role changes from their position in the order of events.

import assert from 'node:assert/strict';
import { PAPER, assertKeys, assertRecentTime, testEachTransport } from './test-context.mjs';
import { httpApi, socketApi } from './source-api.mjs';

const FORBIDDEN = ['INSUFFICIENT_PERMISSIONS', 'Insufficient permissions'];
const DENIED = ['ACCESS_DENIED', 'Access denied to vault'];

const members = (vault, { id } = { id: '' }) => `/api/vaults/${vault.id}/members${id && `/${id}`}`;

/** Asserts the head of the vault: a refused mutation must not create an event. */
async function assertHead(owner, vault, seq) {
  assert.equal((await owner.get(`/api/vaults/${vault.id}`)).expectStatus(200).body.seq, seq);
}

testEachTransport('a viewer receives events and cannot change anything', async ({ newUser, newVault, connectClient }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const shared = await newVault(ana, { viewer: [cem] });
  const { source, seq } = await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(cem);
  await client.join(shared);

  (await cem.post(`/api/vaults/${shared.id}/sources`, PAPER)).expectError(403, ...FORBIDDEN);
  (await cem.patch(`/api/sources/${source.id}`, { title: 'Mine' })).expectError(403, ...FORBIDDEN);
  (await cem.delete(`/api/sources/${source.id}`)).expectError(403, ...FORBIDDEN);
  (await cem.patch(`/api/vaults/${shared.id}`, { name: 'Mine' })).expectError(403, ...FORBIDDEN);
  (await cem.delete(`/api/vaults/${shared.id}`)).expectError(403, ...FORBIDDEN);
  (await cem.patch(members(shared, cem), { role: 'owner' })).expectError(403, ...FORBIDDEN);

  const attempts = {
    'source:created': { vaultId: shared.id, source: PAPER },
    'source:updated': { source: { id: source.id, title: 'Mine' } },
    'source:deleted': { sourceId: source.id },
  };
  for (const [event, payload] of Object.entries(attempts)) {
    const error = await client.expectError(event, payload, ...FORBIDDEN);
    assert.equal(error.details.vaultId, shared.id);
  }
  await assertHead(ana, shared, seq);
  assert.deepEqual((await cem.get(`/api/sources/${source.id}`)).expectStatus(200).body, source);
});

testEachTransport('a user who is not a member can access neither the vault nor its sources', async ({ newUser, newVault, connectClient }) => {
  const [ana, eve] = [newUser('ana'), newUser('eve')];
  const shared = await newVault(ana);
  const { source, seq } = await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(eve);

  for (const path of ['', '/sources', '/members', '/events']) {
    (await eve.get(`/api/vaults/${shared.id}${path}`)).expectError(403, ...DENIED);
  }
  (await eve.post(`/api/vaults/${shared.id}/sources`, PAPER)).expectError(403, ...DENIED);
  (await eve.get(`/api/sources/${source.id}`)).expectError(404, 'NOT_FOUND');
  (await eve.patch(`/api/sources/${source.id}`, { title: 'Mine' })).expectError(404, 'NOT_FOUND');
  (await eve.delete(`/api/sources/${source.id}`)).expectError(404, 'NOT_FOUND');

  await client.expectError('source:created', { vaultId: shared.id, source: PAPER }, ...DENIED);
  await client.expectError('source:updated', { source: { id: source.id, title: 'Mine' } }, 'NOT_FOUND');
  await client.expectError('source:deleted', { sourceId: source.id }, 'NOT_FOUND');
  await assertHead(ana, shared, seq);
});

testEachTransport('an HTTP request without a session is answered with UNAUTHORIZED only', async ({ newUser }) => {
  for (const authorization of ['', 'Bearer nonsense']) {
    const answer = await newUser('ana').request('GET', '/api/vaults', undefined, { authorization });
    assert.deepEqual(answer.expectError(401, 'UNAUTHORIZED', 'UNAUTHORIZED'), { message: 'UNAUTHORIZED', code: 'UNAUTHORIZED' });
  }
});

testEachTransport('an invalid source is refused over HTTP and sockets with the same list of fields', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const { source: paper } = await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(ana);
  const invalid = [
    [
      { title: ' \ufeff\u2028', fileUrl: 'ftp://files.example.com/a', fileSize: -1, mimeType: 'pdf', fileKey: 'k'.repeat(513) },
      ['fileKey', 'fileSize', 'fileUrl', 'mimeType', 'title'],
    ],
    [{ title: 'é'.repeat(501), fileUrl: PAPER.fileUrl, fileSize: 2 ** 53 }, ['fileSize', 'title']],
    [{ title: 'nul \u0000 inside', fileUrl: `https://files.example.com/${'a'.repeat(2048)}` }, ['fileUrl', 'title']],
  ];
  for (const [source, fields] of invalid) {
    const { details } = (await ana.post(`/api/vaults/${shared.id}/sources`, source)).expectError(400, 'VALIDATION_FAILED');
    assert.deepEqual(details.map(({ field }) => field).sort(), fields);
    assert(details.every(({ message }) => typeof message === 'string' && message));

    const error = await client.expectError('source:created', { vaultId: shared.id, source }, 'VALIDATION_FAILED');
    assert.deepEqual(error.details, { event: 'source:created', vaultId: shared.id, fields: details });

    const changed = await client.expectError('source:updated', { source: { id: paper.id, ...source } }, 'VALIDATION_FAILED');
    assert.deepEqual(changed.details.fields.map(({ field }) => field).sort(), fields);
  }
  await assertHead(ana, shared, 1);
});

testEachTransport('malformed requests are refused without an effect', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const { source } = await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(ana);

  (await ana.post(`/api/vaults/${shared.id}/sources`, '{not json')).expectError(400, 'INVALID_JSON');
  (await ana.get('/api/vaults/nonsense')).expectError(400, 'INVALID_VAULT_ID', 'Invalid vault ID');
  (await ana.get(`/api/vaults/${shared.id}/sources?limit=0`)).expectError(400, 'VALIDATION_FAILED');
  (await ana.patch(`/api/sources/${source.id}`, { colour: 'red' })).expectError(400, 'VALIDATION_FAILED');

  await client.expectError('source:created', { source: PAPER }, 'INVALID_VAULT_ID', 'Invalid vault ID');
  await client.expectError('source:created', { vaultId: shared.id }, 'VALIDATION_FAILED');
  await client.expectError('source:updated', { source: { id: source.id } }, 'VALIDATION_FAILED');
  await client.expectError('source:updated', {}, 'VALIDATION_FAILED');
  await client.expectError('source:deleted', undefined, 'VALIDATION_FAILED');
  await assertHead(ana, shared, 1);
});

testEachTransport('members are added by id and by email, and subscribers receive member:added', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben, cem] = [newUser('ana'), newUser('ben'), newUser('cem')];
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  await client.join(shared);

  const byId = (await ana.post(members(shared), { userId: ben.id, role: 'contributor' })).expectStatus(201);
  assert.deepEqual([byId.body.userId, byId.body.userName, byId.body.role, byId.seq], [ben.id, ben.id, 'contributor', 1]);
  (await cem.get('/api/me')).expectStatus(200);
  const byEmail = (await ana.post(members(shared), { email: cem.email, role: 'viewer' })).expectStatus(201);
  assert.deepEqual([byEmail.body.userId, byEmail.body.userName, byEmail.seq], [cem.id, cem.name, 2]);

  for (const [answer, userName] of [[byId, ben.id], [byEmail, cem.name]]) {
    const event = await client.nextEvent('member:added');
    assertKeys(event, ['member', 'vaultId', 'actor', 'timestamp', 'seq']);
    assert.deepEqual(event.member, { userId: answer.body.userId, userName, role: answer.body.role });
    assert.deepEqual([event.vaultId, event.actor, event.seq], [shared.id, ana.actor('owner'), answer.seq]);
    assertRecentTime(event.timestamp);
  }

  (await ana.post(members(shared), { userId: ben.id, role: 'viewer' })).expectError(409, 'CONFLICT');
  (await ana.post(members(shared), { email: 'nobody@example.com', role: 'viewer' })).expectError(404, 'NOT_FOUND');
  (await ana.post(members(shared), { userId: 'dan', role: 'king' })).expectError(400, 'VALIDATION_FAILED');
  (await ben.post(members(shared), { userId: 'dan', role: 'viewer' })).expectError(403, ...FORBIDDEN);
  const { body } = (await cem.get(members(shared))).expectStatus(200);
  assert.deepEqual(body.members.map(({ userId, role }) => `${userId} ${role}`).sort(), [`${ana.id} owner`, `${ben.id} contributor`, `${cem.id} viewer`]);
});

testEachTransport('a changed role takes effect at once on a connected socket', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { viewer: [ben] });
  const client = await connectClient(ben);
  await client.join(shared);
  const request = { vaultId: shared.id, source: PAPER };
  await client.expectError('source:created', request, ...FORBIDDEN);

  (await ana.patch(members(shared, ben), { role: 'contributor' })).expectStatus(200);
  const { source } = await socketApi(client).create(shared, PAPER);
  assert.deepEqual((await client.nextEvent('source:created')).actor, ben.actor('contributor'));

  const demoted = (await ana.patch(members(shared, ben), { role: 'viewer' })).expectStatus(200);
  await client.expectError('source:created', request, ...FORBIDDEN);
  await client.expectError('source:deleted', { sourceId: source.id }, ...FORBIDDEN);
  (await ben.post(`/api/vaults/${shared.id}/sources`, PAPER)).expectError(403, ...FORBIDDEN);
  await assertHead(ana, shared, demoted.seq);

  for (const role of ['contributor', 'viewer']) {
    const event = await client.nextEvent('member:updated');
    assert.deepEqual(event.member, { userId: ben.id, userName: ben.name, role });
  }
});

testEachTransport('a removed member receives member:removed, then ACCESS_DENIED, and then nothing', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { contributor: [ben] });
  const other = await newVault(ana, { viewer: [ben] });
  const client = await connectClient(ben);
  await client.join(shared);
  await client.join(other);

  const { seq } = (await ana.delete(members(shared, ben))).expectStatus(204);
  const removed = await client.nextEvent('member:removed');
  assert.deepEqual([removed.member.userId, removed.vaultId, removed.seq], [ben.id, shared.id, seq]);
  const error = await client.nextEvent('error');
  assert.deepEqual([error.code, error.message, error.details.vaultId], [...DENIED, shared.id]);

  await httpApi(ana).create(shared, PAPER);
  await client.expectError('source:created', { vaultId: shared.id, source: PAPER }, ...DENIED);
  await client.expectError('vault:join', shared.id, ...DENIED);
  await httpApi(ana).create(other, PAPER);
  await client.nextEvent('source:created', ({ source }) => source.vaultId === other.id);
  assert.deepEqual(client.eventsOf(shared).map(({ event }) => event), ['member:removed']);
  assert.equal(client.socket.connected, true);
});

testEachTransport('every member may leave a vault except its last owner', async ({ newUser, newVault }) => {
  const [ana, ben, cem] = [newUser('ana'), newUser('ben'), newUser('cem')];
  const shared = await newVault(ana, { contributor: [ben], viewer: [cem] });

  (await cem.delete(members(shared, ben))).expectError(403, ...FORBIDDEN);
  (await cem.delete(members(shared, cem))).expectStatus(204);
  (await ana.delete(members(shared, cem))).expectError(404, 'NOT_FOUND');
  (await ana.delete(members(shared, ana))).expectError(409, 'LAST_OWNER');
  (await ana.patch(members(shared, ana), { role: 'viewer' })).expectError(409, 'LAST_OWNER');

  (await ana.patch(members(shared, ben), { role: 'owner' })).expectStatus(200);
  (await ana.delete(members(shared, ana))).expectStatus(204);
  (await ana.get(`/api/vaults/${shared.id}`)).expectError(403, ...DENIED);
  (await ben.patch(members(shared, ben), { role: 'viewer' })).expectError(409, 'LAST_OWNER');
});

testEachTransport('a deleted vault emits vault:deleted and no longer exists', async ({ newUser, newVault, connectClient }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const shared = await newVault(ana, { viewer: [cem] });
  const { source } = await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(cem);
  await client.join(shared);

  const { seq } = (await ana.delete(`/api/vaults/${shared.id}`)).expectStatus(204);
  const event = await client.nextEvent('vault:deleted');
  assertKeys(event, ['vaultId', 'actor', 'timestamp', 'seq']);
  assert.deepEqual([event.vaultId, event.actor, event.seq], [shared.id, ana.actor('owner'), seq]);

  await client.expectError('vault:join', shared.id, ...DENIED);
  (await ana.get(`/api/vaults/${shared.id}`)).expectError(403, ...DENIED);
  (await ana.get(`/api/sources/${source.id}`)).expectError(404, 'NOT_FOUND');
});
