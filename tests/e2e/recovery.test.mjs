// Connection state recovery: a client that reconnects within the window keeps its id and its subscriptions, and receives the missed
// events once and in order without joining again.

import assert from 'node:assert/strict';
import { httpApi } from './source-api.mjs';
import { PAPER, range, testEachTransport } from './test-context.mjs';

/** More events than a vault or a socket keeps in memory. */
const BEYOND_MEMORY = 1_100;

const seqs = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

/** Asserts that the connection is recovered with the ids of the previous one. */
function assertRecovered(now, before) {
  assert.deepEqual(now, { id: before.id, pid: before.pid, recovered: true });
}

/** Creates `count` sources with up to ten concurrent writers and returns the last seq. */
async function createSources(user, vault, count = 1) {
  const lanes = Math.min(count, 10);
  const written = range(1, lanes).map(async () => {
    let last;
    for (const _ of range(1, count / lanes)) last = (await httpApi(user).create(vault, PAPER)).seq;
    return last;
  });
  return Math.max(...(await Promise.all(written)));
}

testEachTransport('a client is recovered after a cut and receives the missed events once and in order', async ({ newUser, newVault, startProxy, connectClient }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const shared = await newVault(ana, { viewer: [cem] });
  const proxy = await startProxy();
  const client = await connectClient(cem, { via: proxy });
  const before = client.identity;
  assert.equal(before.recovered, false);
  assert.equal(typeof before.pid, 'string');
  assert.notEqual(before.pid, before.id, 'the pid is secret and must differ from the id');
  const { seq } = await client.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared, 2));

  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared, 3)), before);
  await client.waitForSeq(shared, seq + 5);
  const last = await createSources(ana, shared);
  await client.waitForSeq(shared, last);
  assert.deepEqual(seqs(client, shared), range(seq + 1, last));
  assert.equal(last, seq + 6);

  // Every event, missed or not, carries its offset after the payload.
  const argLists = client.log.filter(({ payload }) => payload?.seq !== undefined).map(({ args }) => args);
  assert.equal(argLists.length, 7);
  for (const args of argLists) {
    assert.equal(args.length, 2, JSON.stringify(args));
    assert.equal(typeof args[1], 'string');
  }
  assert.deepEqual(client.eventNames.filter((name) => name !== 'source:created'), ['vault:joined']);
});

testEachTransport('missed events of several vaults arrive in the order of each vault, and of no other vault', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const vaults = [];
  for (const _ of range(1, 5)) vaults.push(await newVault(ana));
  const [leftVault, unjoinedVault, ...joinedVaults] = vaults;
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  for (const vault of [leftVault, ...joinedVaults]) await client.join(vault);
  await client.emitOk('vault:leave', leftVault.id);

  const createInAll = () => Promise.all(vaults.map((vault) => createSources(ana, vault, 10)));
  assertRecovered(await proxy.interrupt(client, createInAll), before);
  await createInAll();
  for (const vault of joinedVaults) {
    await client.waitForSeq(vault, 20);
    assert.deepEqual(seqs(client, vault), range(1, 20));
  }
  // This confirmation follows anything that was queued for the socket before.
  await client.join(unjoinedVault);
  assert.deepEqual([...seqs(client, leftVault), ...seqs(client, unjoinedVault)], []);
});

testEachTransport('a client is recovered after each of ten cuts', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(shared);

  // Some cuts have events before them, and some have no missed events.
  for (const cut of range(1, 10)) {
    assertRecovered(await proxy.interrupt(client, () => (cut % 3 ? createSources(ana, shared) : undefined)), before);
    if (cut % 2) await client.waitForSeq(shared, await createSources(ana, shared));
  }
  const last = await createSources(ana, shared);
  await client.waitForSeq(shared, last);
  assert.deepEqual(seqs(client, shared), range(1, last));
});

testEachTransport('a client that received only vault:joined receives all events after it', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  await createSources(ana, shared, 3);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  assert.equal((await client.join(shared)).seq, 3);

  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared, 2)), before);
  await client.waitForSeq(shared, 5);
  assert.deepEqual(seqs(client, shared), [4, 5]);
});

testEachTransport('a client without a subscription is recovered', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;

  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared)), before);
  assert.equal((await client.join(shared)).seq, 1);
  await client.waitForSeq(shared, await createSources(ana, shared));
  assert.deepEqual(seqs(client, shared), [2]);
});

testEachTransport('events that were sent but lost by the network are sent again', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const [proxy, other] = [await startProxy(), await connectClient(ana)];
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(shared);
  await other.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared, 2));

  // The service has sent these events once the other client has received them.
  proxy.discardServerData();
  await other.waitForSeq(shared, await createSources(ana, shared, 5));
  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared, 2)), before);
  await client.waitForSeq(shared, 9);
  assert.deepEqual(seqs(client, shared), range(1, 9));
});

testEachTransport('a subscription whose vault:joined was lost is recovered', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const [proxy, other] = [await startProxy(), await connectClient(ana)];
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await other.join(shared);

  // The client sends the first request at once and the others together; after that it receives no answer.
  client.emit('vault:leave', shared.id);
  client.emit('vault:join', shared.id);
  client.emit('source:created', { vaultId: shared.id, source: PAPER });
  client.socket.io.engine.once('flush', () => proxy.discardServerData());
  await proxy.waitForJoined();
  await other.waitForSeq(shared, 1);
  await other.waitForSeq(shared, await createSources(ana, shared));
  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared, 3)), before);
  await client.waitForSeq(shared, 5);
  assert.deepEqual(seqs(client, shared), range(1, 5));
});

testEachTransport('a client that is cut during a replay receives the rest after its reconnect', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  await createSources(ana, shared, 600);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  const cut = new Promise((resolve) => {
    client.socket.on('source:created', ({ seq }) => {
      if (seq === 20) resolve(proxy.cut());
    });
  });

  client.emit('vault:join', { vaultId: shared.id, since: 0 });
  await cut;
  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared, 10)), before);
  await client.waitForSeq(shared, 610);
  assert.deepEqual(seqs(client, shared), range(1, 610));
});

testEachTransport('a client that missed more events than fit into memory receives all of them', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared));

  assertRecovered(await proxy.interrupt(client, () => createSources(ana, shared, BEYOND_MEMORY)), before);
  await client.waitForSeq(shared, BEYOND_MEMORY + 1);
  assert.deepEqual(seqs(client, shared), range(1, BEYOND_MEMORY + 1));
});

testEachTransport('a client with many events of one vault and none of another is recovered in both', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const [quiet, busy] = [await newVault(ana), await newVault(ana)];
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(quiet);
  await client.join(busy);
  await client.waitForSeq(busy, await createSources(ana, busy, BEYOND_MEMORY));

  assertRecovered(await proxy.interrupt(client, () => Promise.all([createSources(ana, quiet, 2), createSources(ana, busy, 20)])), before);
  await client.waitForSeq(quiet, 2);
  await client.waitForSeq(busy, BEYOND_MEMORY + 20);
  assert.deepEqual(seqs(client, quiet), [1, 2]);
  assert.deepEqual(seqs(client, busy), range(1, BEYOND_MEMORY + 20));
});

testEachTransport('a client that joins again after a recovery, as the contract does, is subscribed once', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  client.socket.on('connect', () => client.emit('vault:join', shared.id));
  await client.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared));

  for (const _ of range(1, 2)) {
    const missed = () => createSources(ana, shared, 4);
    assertRecovered(await proxy.interrupt(client, missed), before);
    const { seq } = await client.nextEvent('vault:joined');
    assert.equal(client.eventsOf(shared).at(-1).seq, seq, 'vault:joined must follow the missed events');
    await client.waitForSeq(shared, await createSources(ana, shared, 2));
  }
  assert.deepEqual(seqs(client, shared), range(1, 13));
});

testEachTransport('a member removed during the outage receives the events up to the removal, then ACCESS_DENIED, and keeps its other subscriptions', async ({ newUser, newVault, startProxy, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const [shared, other] = [await newVault(ana, { viewer: [ben] }), await newVault(ana, { viewer: [ben] })];
  const proxy = await startProxy();
  const client = await connectClient(ben, { via: proxy });
  const before = client.identity;
  for (const vault of [shared, other]) await client.join(vault);

  const remove = async () => {
    await createSources(ana, shared, 2);
    (await ana.delete(`/api/vaults/${shared.id}/members/${ben.id}`)).expectStatus(204);
    for (const vault of [shared, other]) await createSources(ana, vault, 2);
  };
  assertRecovered(await proxy.interrupt(client, remove), before);
  const { details } = await client.nextEvent('error', ({ code }) => code === 'ACCESS_DENIED');
  assert.deepEqual(details, { vaultId: shared.id });
  await createSources(ana, shared);
  await client.waitForSeq(other, await createSources(ana, other));
  await client.expectError('vault:join', shared.id, 'ACCESS_DENIED');

  const received = client.eventsOf(shared);
  assert.deepEqual(received.map(({ event, seq }) => [event, seq]), [['source:created', 2], ['source:created', 3], ['member:removed', 4]]);
  const lastEntries = client.log.filter(({ event, payload }) => event === 'error' || payload?.seq === 4);
  assert.deepEqual(lastEntries.slice(0, 2).map(({ event }) => event).sort(), ['error', 'member:removed']);
  const indexOf = (name) => client.log.findIndex(({ event }) => event === name);
  assert(indexOf('member:removed') < indexOf('error'), `${client}`);
  assert.deepEqual(seqs(client, other), [2, 3, 4]);

  // The ended subscription is not recovered the next time either.
  assertRecovered(await proxy.interrupt(client, () => Promise.all([createSources(ana, shared), createSources(ana, other)])), before);
  await client.waitForSeq(other, 5);
  assert.equal(client.eventsOf(shared).length, 3);
  assert.equal(client.eventNames.filter((name) => name === 'error').length, 2);
});

testEachTransport('a vault deleted during the outage ends its subscription with vault:deleted and without an error', async ({ newUser, newVault, startProxy, connectClient }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const [shared, other] = [await newVault(ana, { viewer: [cem] }), await newVault(ana, { viewer: [cem] })];
  const proxy = await startProxy();
  const client = await connectClient(cem, { via: proxy });
  const before = client.identity;
  for (const vault of [shared, other]) await client.join(vault);

  const deleteVault = async () => {
    await createSources(ana, shared, 2);
    (await ana.delete(`/api/vaults/${shared.id}`)).expectStatus(204);
  };
  assertRecovered(await proxy.interrupt(client, deleteVault), before);
  await client.nextEvent('vault:deleted', ({ vaultId }) => vaultId === shared.id);
  await client.waitForSeq(other, await createSources(ana, other));
  assert.deepEqual(client.eventsOf(shared).map(({ event, seq }) => [event, seq]), [['source:created', 2], ['source:created', 3], ['vault:deleted', 4]]);
  assert(!client.eventNames.includes('error'), `${client}`);

  assertRecovered(await proxy.interrupt(client, () => createSources(ana, other)), before);
  await client.waitForSeq(other, 3);
  assert.equal(client.eventsOf(shared).length, 3);
});

testEachTransport('a client whose role changed during the outage is recovered with the new role', async ({ newUser, newVault, startProxy, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana, { contributor: [ben] });
  const proxy = await startProxy();
  const client = await connectClient(ben, { via: proxy });
  const before = client.identity;
  await client.join(shared);
  const { seq } = await client.emitOk('source:created', { vaultId: shared.id, source: PAPER });
  await client.waitForSeq(shared, seq);

  const demote = async () => (await ana.patch(`/api/vaults/${shared.id}/members/${ben.id}`, { role: 'viewer' })).expectStatus(200);
  assertRecovered(await proxy.interrupt(client, demote), before);
  assert.equal((await client.nextEvent('member:updated')).member.role, 'viewer');
  await client.expectError('source:created', { vaultId: shared.id, source: PAPER }, 'INSUFFICIENT_PERMISSIONS');
  await client.waitForSeq(shared, await createSources(ana, shared));
  assert.deepEqual(seqs(client, shared), [2, 3, 4]);
});
