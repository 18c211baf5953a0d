// What is refused, to whom and in which words; and that a change of role counts from its place in the order on.

import assert from 'node:assert/strict';
import { PAPER, hasExactly, isTime, story } from './harness.mjs';
import { byHttp, bySocket } from './doors.mjs';

const FORBIDDEN = ['INSUFFICIENT_PERMISSIONS', 'Insufficient permissions'];
const DENIED = ['ACCESS_DENIED', 'Access denied to vault'];

const members = (vault, { id } = { id: '' }) => `/api/vaults/${vault.id}/members${id && `/${id}`}`;

/** Nothing happened: the vault stands where it stood. */
async function standsAt(owner, vault, seq) {
  assert.equal((await owner.get(`/api/vaults/${vault.id}`)).is(200).body.seq, seq);
}

story('a viewer listens, and changes nothing', async ({ user, vault, socket }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const shared = await vault(ana, { viewer: [cem] });
  const { source, seq } = await byHttp(ana).create(shared, PAPER);
  const listener = await socket(cem);
  await listener.join(shared);

  (await cem.post(`/api/vaults/${shared.id}/sources`, PAPER)).refuses(403, ...FORBIDDEN);
  (await cem.patch(`/api/sources/${source.id}`, { title: 'Mine' })).refuses(403, ...FORBIDDEN);
  (await cem.delete(`/api/sources/${source.id}`)).refuses(403, ...FORBIDDEN);
  (await cem.patch(`/api/vaults/${shared.id}`, { name: 'Mine' })).refuses(403, ...FORBIDDEN);
  (await cem.delete(`/api/vaults/${shared.id}`)).refuses(403, ...FORBIDDEN);
  (await cem.patch(members(shared, cem), { role: 'owner' })).refuses(403, ...FORBIDDEN);

  const attempts = {
    'source:created': { vaultId: shared.id, source: PAPER },
    'source:updated': { source: { id: source.id, title: 'Mine' } },
    'source:deleted': { sourceId: source.id },
  };
  for (const [event, said] of Object.entries(attempts)) {
    const error = await listener.isRefused(event, said, ...FORBIDDEN);
    assert.equal(error.details.vaultId, shared.id);
  }
  await standsAt(ana, shared, seq);
  assert.deepEqual((await cem.get(`/api/sources/${source.id}`)).is(200).body, source);
});

story('a stranger finds neither the vault nor its sources', async ({ user, vault, socket }) => {
  const [ana, eve] = [user('ana'), user('eve')];
  const shared = await vault(ana);
  const { source, seq } = await byHttp(ana).create(shared, PAPER);
  const listener = await socket(eve);

  for (const path of ['', '/sources', '/members', '/events']) {
    (await eve.get(`/api/vaults/${shared.id}${path}`)).refuses(403, ...DENIED);
  }
  (await eve.post(`/api/vaults/${shared.id}/sources`, PAPER)).refuses(403, ...DENIED);
  (await eve.get(`/api/sources/${source.id}`)).refuses(404, 'NOT_FOUND');
  (await eve.patch(`/api/sources/${source.id}`, { title: 'Mine' })).refuses(404, 'NOT_FOUND');
  (await eve.delete(`/api/sources/${source.id}`)).refuses(404, 'NOT_FOUND');

  await listener.isRefused('source:created', { vaultId: shared.id, source: PAPER }, ...DENIED);
  await listener.isRefused('source:updated', { source: { id: source.id, title: 'Mine' } }, 'NOT_FOUND');
  await listener.isRefused('source:deleted', { sourceId: source.id }, 'NOT_FOUND');
  await standsAt(ana, shared, seq);
});

story('without a session HTTP answers nothing but UNAUTHORIZED', async ({ user }) => {
  for (const authorization of ['', 'Bearer nonsense']) {
    const answer = await user('ana').request('GET', '/api/vaults', undefined, { authorization });
    assert.deepEqual(answer.refuses(401, 'UNAUTHORIZED', 'UNAUTHORIZED'), { message: 'UNAUTHORIZED', code: 'UNAUTHORIZED' });
  }
});

story('a bad source is refused through both doors with the same list of fields', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const { source: paper } = await byHttp(ana).create(shared, PAPER);
  const listener = await socket(ana);
  const bad = [
    [
      { title: '   ', fileUrl: 'ftp://files.example.com/a', fileSize: -1, mimeType: 'pdf', fileKey: 'k'.repeat(513) },
      ['fileKey', 'fileSize', 'fileUrl', 'mimeType', 'title'],
    ],
    [{ title: 'é'.repeat(501), fileUrl: PAPER.fileUrl, fileSize: 2 ** 53 }, ['fileSize', 'title']],
    [{ title: 'nul \u0000 inside', fileUrl: `https://files.example.com/${'a'.repeat(2048)}` }, ['fileUrl', 'title']],
  ];
  for (const [source, fields] of bad) {
    const { details } = (await ana.post(`/api/vaults/${shared.id}/sources`, source)).refuses(400, 'VALIDATION_FAILED');
    assert.deepEqual(details.map(({ field }) => field).sort(), fields);
    assert(details.every(({ message }) => typeof message === 'string' && message));

    const made = await listener.isRefused('source:created', { vaultId: shared.id, source }, 'VALIDATION_FAILED');
    assert.deepEqual(made.details, { event: 'source:created', vaultId: shared.id, fields: details });

    const changed = await listener.isRefused('source:updated', { source: { id: paper.id, ...source } }, 'VALIDATION_FAILED');
    assert.deepEqual(changed.details.fields.map(({ field }) => field).sort(), fields);
  }
  await standsAt(ana, shared, 1);
});

story('what cannot be understood is refused without harm', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const { source } = await byHttp(ana).create(shared, PAPER);
  const listener = await socket(ana);

  (await ana.post(`/api/vaults/${shared.id}/sources`, '{not json')).refuses(400, 'INVALID_JSON');
  (await ana.get('/api/vaults/nonsense')).refuses(400, 'INVALID_VAULT_ID', 'Invalid vault ID');
  (await ana.get(`/api/vaults/${shared.id}/sources?limit=0`)).refuses(400, 'VALIDATION_FAILED');
  (await ana.patch(`/api/sources/${source.id}`, { colour: 'red' })).refuses(400, 'VALIDATION_FAILED');

  await listener.isRefused('source:created', { source: PAPER }, 'INVALID_VAULT_ID', 'Invalid vault ID');
  await listener.isRefused('source:created', { vaultId: shared.id }, 'VALIDATION_FAILED');
  await listener.isRefused('source:updated', { source: { id: source.id } }, 'VALIDATION_FAILED');
  await listener.isRefused('source:updated', {}, 'VALIDATION_FAILED');
  await listener.isRefused('source:deleted', undefined, 'VALIDATION_FAILED');
  await standsAt(ana, shared, 1);
});

story('members are added by id and by email, and the room hears of it', async ({ user, vault, socket }) => {
  const [ana, ben, cem] = [user('ana'), user('ben'), user('cem')];
  const shared = await vault(ana);
  const listener = await socket(ana);
  await listener.join(shared);

  const byId = (await ana.post(members(shared), { userId: ben.id, role: 'contributor' })).is(201);
  assert.deepEqual([byId.body.userId, byId.body.userName, byId.body.role, byId.seq], [ben.id, ben.id, 'contributor', 1]);
  (await cem.get('/api/me')).is(200);
  const byEmail = (await ana.post(members(shared), { email: cem.email, role: 'viewer' })).is(201);
  assert.deepEqual([byEmail.body.userId, byEmail.body.userName, byEmail.seq], [cem.id, cem.name, 2]);

  for (const [answer, userName] of [[byId, ben.id], [byEmail, cem.name]]) {
    const event = await listener.hears('member:added');
    hasExactly(event, ['member', 'vaultId', 'actor', 'timestamp', 'seq']);
    assert.deepEqual(event.member, { userId: answer.body.userId, userName, role: answer.body.role });
    assert.deepEqual([event.vaultId, event.actor, event.seq], [shared.id, ana.as('owner'), answer.seq]);
    isTime(event.timestamp);
  }

  (await ana.post(members(shared), { userId: ben.id, role: 'viewer' })).refuses(409, 'CONFLICT');
  (await ana.post(members(shared), { email: 'nobody@example.com', role: 'viewer' })).refuses(404, 'NOT_FOUND');
  (await ana.post(members(shared), { userId: 'dan', role: 'king' })).refuses(400, 'VALIDATION_FAILED');
  (await ben.post(members(shared), { userId: 'dan', role: 'viewer' })).refuses(403, ...FORBIDDEN);
  const { body } = (await cem.get(members(shared))).is(200);
  assert.deepEqual(body.members.map(({ userId, role }) => `${userId} ${role}`).sort(), [`${ana.id} owner`, `${ben.id} contributor`, `${cem.id} viewer`]);
});

story('a new role takes effect at once on a connected socket', async ({ user, vault, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { viewer: [ben] });
  const listener = await socket(ben);
  await listener.join(shared);
  const wish = { vaultId: shared.id, source: PAPER };
  await listener.isRefused('source:created', wish, ...FORBIDDEN);

  (await ana.patch(members(shared, ben), { role: 'contributor' })).is(200);
  const { source } = await bySocket(listener).create(shared, PAPER);
  assert.deepEqual((await listener.hears('source:created')).actor, ben.as('contributor'));

  const demoted = (await ana.patch(members(shared, ben), { role: 'viewer' })).is(200);
  await listener.isRefused('source:created', wish, ...FORBIDDEN);
  await listener.isRefused('source:deleted', { sourceId: source.id }, ...FORBIDDEN);
  (await ben.post(`/api/vaults/${shared.id}/sources`, PAPER)).refuses(403, ...FORBIDDEN);
  await standsAt(ana, shared, demoted.seq);

  for (const role of ['contributor', 'viewer']) {
    const event = await listener.hears('member:updated');
    assert.deepEqual(event.member, { userId: ben.id, userName: ben.name, role });
  }
});

story('who is removed hears of it, then that access is denied, and then nothing', async ({ user, vault, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { contributor: [ben] });
  const other = await vault(ana, { viewer: [ben] });
  const listener = await socket(ben);
  await listener.join(shared);
  await listener.join(other);

  const { seq } = (await ana.delete(members(shared, ben))).is(204);
  const removed = await listener.hears('member:removed');
  assert.deepEqual([removed.member.userId, removed.vaultId, removed.seq], [ben.id, shared.id, seq]);
  const error = await listener.hears('error');
  assert.deepEqual([error.code, error.message, error.details.vaultId], [...DENIED, shared.id]);

  await byHttp(ana).create(shared, PAPER);
  await listener.isRefused('source:created', { vaultId: shared.id, source: PAPER }, ...DENIED);
  await listener.isRefused('vault:join', shared.id, ...DENIED);
  await byHttp(ana).create(other, PAPER);
  await listener.hears('source:created', ({ source }) => source.vaultId === other.id);
  assert.deepEqual(listener.eventsOf(shared).map(({ event }) => event), ['member:removed']);
  assert.equal(listener.socket.connected, true);
});

story('anyone may leave a vault, but its last owner', async ({ user, vault }) => {
  const [ana, ben, cem] = [user('ana'), user('ben'), user('cem')];
  const shared = await vault(ana, { contributor: [ben], viewer: [cem] });

  (await cem.delete(members(shared, ben))).refuses(403, ...FORBIDDEN);
  (await cem.delete(members(shared, cem))).is(204);
  (await ana.delete(members(shared, cem))).refuses(404, 'NOT_FOUND');
  (await ana.delete(members(shared, ana))).refuses(409, 'LAST_OWNER');
  (await ana.patch(members(shared, ana), { role: 'viewer' })).refuses(409, 'LAST_OWNER');

  (await ana.patch(members(shared, ben), { role: 'owner' })).is(200);
  (await ana.delete(members(shared, ana))).is(204);
  (await ana.get(`/api/vaults/${shared.id}`)).refuses(403, ...DENIED);
  (await ben.patch(members(shared, ben), { role: 'viewer' })).refuses(409, 'LAST_OWNER');
});

story('a vault that is deleted says so to its room and is gone', async ({ user, vault, socket }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const shared = await vault(ana, { viewer: [cem] });
  const { source } = await byHttp(ana).create(shared, PAPER);
  const listener = await socket(cem);
  await listener.join(shared);

  const { seq } = (await ana.delete(`/api/vaults/${shared.id}`)).is(204);
  const event = await listener.hears('vault:deleted');
  hasExactly(event, ['vaultId', 'actor', 'timestamp', 'seq']);
  assert.deepEqual([event.vaultId, event.actor, event.seq], [shared.id, ana.as('owner'), seq]);

  await listener.isRefused('vault:join', shared.id, ...DENIED);
  (await ana.get(`/api/vaults/${shared.id}`)).refuses(403, ...DENIED);
  (await ana.get(`/api/sources/${source.id}`)).refuses(404, 'NOT_FOUND');
});
