// Subscriptions: which users may join a vault, what a join answers, and that a leave ends the subscription.

import assert from 'node:assert/strict';
import { PAPER, assertKeys, range, testEachTransport } from './test-context.mjs';
import { httpApi } from './source-api.mjs';

const UNKNOWN_VAULT = { id: 'cnosuchvault000000000000000' };

testEachTransport('every member may join a vault and receives the role, the seq and the epoch', async ({ newUser, newVault, connectClient }) => {
  const users = { owner: newUser('ana'), contributor: newUser('ben'), viewer: newUser('cem') };
  const shared = await newVault(users.owner, { contributor: [users.contributor], viewer: [users.viewer] });

  const epochs = new Set();
  for (const [role, user] of Object.entries(users)) {
    const client = await connectClient(user);
    const joined = await client.join(shared);
    assertKeys(joined, ['vaultId', 'role', 'userId', 'seq', 'epoch']);
    assert.deepEqual([joined.vaultId, joined.role, joined.seq], [shared.id, role, shared.seq]);
    assert.equal(typeof joined.epoch, 'string');
    epochs.add(joined.epoch);
  }
  assert.equal(epochs.size, 1);
});

testEachTransport('the vault may be given in an object, and the acknowledgement carries the same fields as vault:joined', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);

  for (const payload of [shared.id, { vaultId: shared.id }]) {
    const { ok, ...answer } = await client.emitWithAck('vault:join', payload);
    assert.equal(ok, true);
    assert.deepEqual(answer, await client.nextEvent('vault:joined'));
    assert.equal(answer.userId, ana.id);
    assertKeys(answer, ['vaultId', 'role', 'userId', 'seq', 'epoch']);
  }
});

testEachTransport('a malformed vault id is refused with INVALID_VAULT_ID', async ({ newUser, connectClient }) => {
  const client = await connectClient(newUser('ana'));
  const malformed = [undefined, null, 7, '', 'nonsense', 'cUPPERCASE0000', `c${'0'.repeat(32)}`, {}, { vaultId: 7 }, { vaultId: 'c' }];
  for (const payload of malformed) {
    for (const event of ['vault:join', 'vault:leave']) {
      await client.expectError(event, payload, 'INVALID_VAULT_ID', 'Invalid vault ID');
    }
  }
  assert.equal(client.socket.connected, true);
});

testEachTransport('a vault of other users is indistinguishable from one that does not exist', async ({ newUser, newVault, connectClient }) => {
  const stranger = newUser('eve');
  const foreign = await newVault(newUser('ana'));
  const client = await connectClient(stranger);

  const answers = [];
  for (const { id } of [foreign, UNKNOWN_VAULT]) {
    const error = await client.expectError('vault:join', id, 'ACCESS_DENIED', 'Access denied to vault');
    assert.equal(error.details.vaultId, id);
    const body = (await stranger.get(`/api/vaults/${id}`)).expectError(403, 'ACCESS_DENIED', 'Access denied to vault');
    answers.push(JSON.stringify({ error, body }).replaceAll(id, 'ID'));
  }
  assert.equal(answers[0], answers[1]);
  assert(!client.eventNames.includes('vault:joined'));
});

testEachTransport('a refused join emits the error event even without an acknowledgement', async ({ newUser, connectClient }) => {
  const client = await connectClient(newUser('ana'));
  client.emit('vault:join', UNKNOWN_VAULT.id);
  const error = await client.nextEvent('error');
  assert.deepEqual(error, {
    message: 'Access denied to vault',
    code: 'ACCESS_DENIED',
    details: { event: 'vault:join', vaultId: UNKNOWN_VAULT.id },
  });
});

testEachTransport('a client that joins twice is subscribed once', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);

  assert.equal((await client.join(shared)).seq, 0);
  await httpApi(ana).create(shared, PAPER);
  assert.equal((await client.join(shared)).seq, 1);
  await httpApi(ana).create(shared, PAPER);
  await httpApi(ana).create(shared, PAPER);

  await client.waitForSeq(shared, 3);
  assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), range(1, 3));
});

testEachTransport('a leave emits nothing, and no event of the vault follows', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);

  await client.join(shared);
  assert.deepEqual(await client.emitWithAck('vault:leave', shared.id), { ok: true });
  await httpApi(ana).create(shared, PAPER);

  // The next vault:joined follows everything that was queued for this socket before.
  await client.join(shared);
  client.emit('vault:leave', { vaultId: shared.id });
  assert.deepEqual(await client.emitWithAck('vault:leave', { vaultId: shared.id }), { ok: true });
  await httpApi(ana).create(shared, PAPER);
  assert.equal((await client.join(shared)).seq, 2);

  assert.deepEqual(client.eventNames, ['vault:joined', 'vault:joined', 'vault:joined']);
});

testEachTransport('a join that is followed by a leave at once delivers no event', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const [shared, other] = [await newVault(ana), await newVault(ana)];
  const client = await connectClient(ana);

  client.emit('vault:join', shared.id);
  assert.deepEqual(await client.emitWithAck('vault:leave', shared.id), { ok: true });
  await httpApi(ana).create(shared, PAPER);
  await client.join(other);
  await httpApi(ana).create(other, PAPER);

  await client.waitForSeq(other, 1);
  assert.deepEqual(client.eventsOf(shared), []);
});

testEachTransport('a join with since replays the later events once and in order', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  for (const _ of range(1, 5)) await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(ana);

  const joined = await client.join(shared, { since: 2 });
  assert.deepEqual([joined.seq, joined.replayed, joined.resync], [5, 3, undefined]);
  await httpApi(ana).create(shared, PAPER);

  await client.waitForSeq(shared, 6);
  assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), range(3, 6));
});

testEachTransport('an unknown seq or epoch is answered with resync', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  await httpApi(ana).create(shared, PAPER);
  const client = await connectClient(ana);

  for (const options of [{ since: 9 }, { since: 0, epoch: 'another epoch' }]) {
    const joined = await client.join(shared, options);
    assert.deepEqual([joined.seq, joined.resync], [1, true]);
  }
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 2);
  assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), [2]);
});

testEachTransport('an unknown event is refused, and the socket stays connected', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  await client.expectError('source:exploded', { vaultId: shared.id }, 'VALIDATION_FAILED');
  assert.equal((await client.join(shared)).role, 'owner');
});
