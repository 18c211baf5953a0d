// Replay of missed events with small queues: no socket that reads is closed as slow, and none misses an event. The relays of this
// service have a tiny mailbox, so that they fall behind all the time.

import assert from 'node:assert/strict';
import { PAPER, range, testEachTransportWith } from './test-context.mjs';
import { httpApi } from './source-api.mjs';

const testEachTransport = testEachTransportWith({
  VAULTCAST__ACTORS__RELAY_MAILBOX: '8',
  VAULTCAST__ACTORS__SESSION_OUTBOX: '64',
});

/** Creates `count` sources with eight concurrent writers and returns the last seq. */
async function createSources(owner, vault, count) {
  const writers = range(1, 8).map(async () => {
    let last = 0;
    for (const _ of range(1, count / 8)) last = (await httpApi(owner).create(vault, PAPER)).seq;
    return last;
  });
  return Math.max(...(await Promise.all(writers)));
}

/** Asserts that the events after each join of the client follow it without a gap, and returns the last seq. */
function assertGapless(client, vault) {
  let next;
  for (const { event, payload } of client.log) {
    if ((payload?.vaultId ?? payload?.source?.vaultId) !== vault.id) continue;
    if (event === 'vault:joined') {
      next = payload.seq - (payload.replayed ?? 0) + 1;
    } else {
      assert.equal(payload.seq, next, `${client}`);
      next += 1;
    }
  }
  return next - 1;
}

const assertNeverDisconnected = (client) => assert.equal(client.log.filter(({ event }) => event === 'disconnect').length, 0, `${client}`);

testEachTransport('a client that joins many vaults at once receives the replay of each and is not closed as slow', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const vaults = [];
  for (const _ of range(1, 30)) vaults.push(await newVault(ana));
  for (const vault of vaults) await createSources(ana, vault, 64);

  const client = await connectClient(ana);
  for (const { id } of vaults) client.emit('vault:join', { vaultId: id, since: 0 });
  for (const vault of vaults) {
    await client.waitForSeq(vault, 64);
    assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(1, 64));
  }
  assertNeverDisconnected(client);
});

testEachTransport('clients whose relay keeps falling behind receive every event once and in order', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const clients = await Promise.all(range(1, 40).map(() => connectClient(ana)));
  for (const client of clients) await client.join(shared);
  const last = await createSources(ana, shared, 400);
  for (const client of clients) {
    await client.waitForSeq(shared, last);
    assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), range(1, last));
    assertNeverDisconnected(client);
  }
});

testEachTransport('a client that joins again with an earlier since while its relay falls behind receives the events from there without a gap', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  await createSources(ana, shared, 80);
  const clients = await Promise.all(range(1, 10).map(() => connectClient(ana)));
  for (const client of clients) await client.join(shared, { since: 0 });

  let running = true;
  const joining = clients.map(async (client) => {
    while (running) {
      const { ok } = await client.emitWithAck('vault:join', { vaultId: shared.id, since: Math.floor(Math.random() * 80) });
      assert(ok);
      if (Math.random() < 0.2) await client.emitOk('vault:leave', shared.id);
      if (Math.random() < 0.5) client.emit('vault:join', shared.id);
    }
    // The acknowledgement follows everything that was queued for this socket before.
    await client.emitOk('vault:join', shared.id);
  });
  await createSources(ana, shared, 400);
  running = false;
  await Promise.all(joining);
  const { seq: last } = await httpApi(ana).create(shared, PAPER);
  for (const client of clients) {
    await client.waitForSeq(shared, last);
    assert.equal(assertGapless(client, shared), last);
    assertNeverDisconnected(client);
  }
});
