// Rooms: who may enter a vault's room, what entering says, and that leaving is the end of it.

import assert from 'node:assert/strict';
import { PAPER, hasExactly, range, story } from './harness.mjs';
import { byHttp } from './doors.mjs';

const UNKNOWN_VAULT = { id: 'cnosuchvault000000000000000' };

story('everyone in a vault may join it, and is told the role, the place in the order and the epoch', async ({ user, vault, socket }) => {
  const people = { owner: user('ana'), contributor: user('ben'), viewer: user('cem') };
  const shared = await vault(people.owner, { contributor: [people.contributor], viewer: [people.viewer] });

  const epochs = new Set();
  for (const [role, person] of Object.entries(people)) {
    const listener = await socket(person);
    const joined = await listener.join(shared);
    hasExactly(joined, ['vaultId', 'role', 'seq', 'epoch']);
    assert.deepEqual([joined.vaultId, joined.role, joined.seq], [shared.id, role, shared.seq]);
    assert.equal(typeof joined.epoch, 'string');
    epochs.add(joined.epoch);
  }
  assert.equal(epochs.size, 1);
});

story('a vault may be named in an object, and an acknowledgement says what vault:joined says', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);

  for (const said of [shared.id, { vaultId: shared.id }]) {
    const { ok, ...answer } = await listener.ask('vault:join', said);
    assert.equal(ok, true);
    assert.deepEqual(answer, await listener.hears('vault:joined'));
    hasExactly(answer, ['vaultId', 'role', 'seq', 'epoch']);
  }
});

story('what is no vault id at all is refused as such', async ({ user, socket }) => {
  const listener = await socket(user('ana'));
  const malformed = [undefined, null, 7, '', 'nonsense', 'cUPPERCASE0000', `c${'0'.repeat(32)}`, {}, { vaultId: 7 }, { vaultId: 'c' }];
  for (const said of malformed) {
    for (const event of ['vault:join', 'vault:leave']) {
      await listener.isRefused(event, said, 'INVALID_VAULT_ID', 'Invalid vault ID');
    }
  }
  assert.equal(listener.socket.connected, true);
});

story('a vault of others cannot be told from one that does not exist', async ({ user, vault, socket }) => {
  const stranger = user('eve');
  const foreign = await vault(user('ana'));
  const listener = await socket(stranger);

  const answers = [];
  for (const { id } of [foreign, UNKNOWN_VAULT]) {
    const error = await listener.isRefused('vault:join', id, 'ACCESS_DENIED', 'Access denied to vault');
    assert.equal(error.details.vaultId, id);
    const body = (await stranger.get(`/api/vaults/${id}`)).refuses(403, 'ACCESS_DENIED', 'Access denied to vault');
    answers.push(JSON.stringify({ error, body }).replaceAll(id, 'ID'));
  }
  assert.equal(answers[0], answers[1]);
  assert(!listener.names.includes('vault:joined'));
});

story('a refused join is told by the error event even where no acknowledgement was asked for', async ({ user, socket }) => {
  const listener = await socket(user('ana'));
  listener.tell('vault:join', UNKNOWN_VAULT.id);
  const error = await listener.hears('error');
  assert.deepEqual(error, {
    message: 'Access denied to vault',
    code: 'ACCESS_DENIED',
    details: { event: 'vault:join', vaultId: UNKNOWN_VAULT.id },
  });
});

story('who joins twice is subscribed once', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);

  assert.equal((await listener.join(shared)).seq, 0);
  await byHttp(ana).create(shared, PAPER);
  assert.equal((await listener.join(shared)).seq, 1);
  await byHttp(ana).create(shared, PAPER);
  await byHttp(ana).create(shared, PAPER);

  await listener.reaches(shared, 3);
  assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), range(1, 3));
});

story('leaving is silent, and nothing of the vault comes afterwards', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);

  await listener.join(shared);
  assert.deepEqual(await listener.ask('vault:leave', shared.id), { ok: true });
  await byHttp(ana).create(shared, PAPER);

  // What comes with the next join comes after whatever was owed to this socket.
  await listener.join(shared);
  listener.tell('vault:leave', { vaultId: shared.id });
  assert.deepEqual(await listener.ask('vault:leave', { vaultId: shared.id }), { ok: true });
  await byHttp(ana).create(shared, PAPER);
  assert.equal((await listener.join(shared)).seq, 2);

  assert.deepEqual(listener.names, ['vault:joined', 'vault:joined', 'vault:joined']);
});

story('a join that is left again at once brings no event', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const [shared, fence] = [await vault(ana), await vault(ana)];
  const listener = await socket(ana);

  listener.tell('vault:join', shared.id);
  assert.deepEqual(await listener.ask('vault:leave', shared.id), { ok: true });
  await byHttp(ana).create(shared, PAPER);
  await listener.join(fence);
  await byHttp(ana).create(fence, PAPER);

  await listener.reaches(fence, 1);
  assert.deepEqual(listener.eventsOf(shared), []);
});

story('who joins with a number hears what came after it, once and in order', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  for (const _ of range(1, 5)) await byHttp(ana).create(shared, PAPER);
  const listener = await socket(ana);

  const joined = await listener.join(shared, { since: 2 });
  assert.deepEqual([joined.seq, joined.replayed, joined.resync], [5, 3, undefined]);
  await byHttp(ana).create(shared, PAPER);

  await listener.reaches(shared, 6);
  assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), range(3, 6));
});

story('a number or an epoch that the vault does not know asks the client to list anew', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  await byHttp(ana).create(shared, PAPER);
  const listener = await socket(ana);

  for (const told of [{ since: 9 }, { since: 0, epoch: 'of another life' }]) {
    const joined = await listener.join(shared, told);
    assert.deepEqual([joined.seq, joined.resync], [1, true]);
  }
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 2);
  assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), [2]);
});

story('an event that the service does not know is refused, and the socket stays', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);
  await listener.isRefused('source:exploded', { vaultId: shared.id }, 'VALIDATION_FAILED');
  assert.equal((await listener.join(shared)).role, 'owner');
});
