// Connections that cannot be recovered: an unknown pid or one of another user, a client that disconnected itself, an expired recovery
// window, a trimmed journal. Each gets a new connection without an error and without the subscriptions of the old one.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { httpApi } from './source-api.mjs';
import { PAPER, range, testEachTransportWith } from './test-context.mjs';
import { LOG_DISCONNECTS } from './test-server.mjs';

const testEachTransport = testEachTransportWith(LOG_DISCONNECTS);

const seqs = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

const createSources = async (user, vault, count = 1) => {
  let last;
  for (const _ of range(1, count)) last = (await httpApi(user).create(vault, PAPER)).seq;
  return last;
};

/** Asserts that the connection is not recovered and has new ids. */
function assertNewConnection(now, before) {
  assert.equal(now.recovered, false);
  assert.equal(typeof now.pid, 'string');
  assert.notEqual(now.id, before.id);
  assert.notEqual(now.pid, before.pid);
}

/** Joins another vault and asserts that the client received nothing else until the confirmation. */
async function assertReceivesOnlyJoinOf(elsewhere, client) {
  const before = client.eventNames.length;
  await client.join(elsewhere);
  assert.deepEqual(client.eventNames.slice(before), ['vault:joined'], `${client}`);
  assert(!client.eventNames.includes('error'), `${client}`);
}

testEachTransport("a pid of another user recovers nothing of that user's session", async ({ newUser, newVault, startProxy, openClient }) => {
  const [ana, eve] = [newUser('ana'), newUser('eve')];
  // Both users are members, so that the membership does not withhold the events.
  const [shared, other] = [await newVault(ana, { viewer: [eve] }), await newVault(eve)];
  const proxy = await startProxy();
  let session = ana.token();
  const client = openClient({ via: proxy, auth: (send) => send({ token: session }) });
  const before = await client.nextEvent('connect');
  await client.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared));

  const now = await proxy.interrupt(client, async () => {
    session = eve.token();
    await createSources(ana, shared, 2);
  });
  assertNewConnection(now, before);
  await createSources(ana, shared);
  await assertReceivesOnlyJoinOf(other, client);
  assert.deepEqual(seqs(client, shared), [2]);

  // The owner of the pid can still be recovered with it.
  const owner = openClient({ auth: { token: ana.token(), pid: before.pid, offset: client.log.find(({ payload }) => payload?.seq === 2).args[1] } });
  assert.equal((await owner.nextEvent('connect')).id, before.id);
  await owner.waitForSeq(shared, 5);
  assert.deepEqual(seqs(owner, shared), [3, 4, 5]);
});

testEachTransport('an unknown pid and any offset give a new connection without an error', async ({ newUser, newVault, openClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const invalid = ['', 'unknown', 'x'.repeat(20_000), 'ä\u0000"\\', 7, -1, null, true, [], ['unknown'], {}, { pid: 'unknown' }];
  for (const claim of invalid.flatMap((value) => [{ pid: value }, { pid: 'unknown', offset: value }, { pid: value, offset: value }, { offset: value }])) {
    const client = openClient({ auth: { ...claim, token: ana.token() } });
    assertNewConnection(await client.nextEvent('connect'), { pid: claim.pid });
    await client.join(shared);
    assert.deepEqual(client.eventNames, ['vault:joined'], JSON.stringify(claim));
    client.close();
  }
});

testEachTransport('a pid of a lost database gives a new connection', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const [shared, other] = [await newVault(ana), await newVault(ana)];
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  await client.join(shared);
  const before = client.identity;

  // The same happens after a database was deleted, or replaced by a backup.
  const now = await proxy.interrupt(client, async () => {
    await createSources(ana, shared, 2);
    client.socket._pid = [...before.pid].reverse().join('');
  });
  assertNewConnection(now, before);
  await assertReceivesOnlyJoinOf(other, client);

  // The new connection can be recovered like any other.
  assert.equal((await client.join(shared, { since: 0 })).replayed, 2);
  await client.waitForSeq(shared, 2);
  const again = await proxy.interrupt(client, () => createSources(ana, shared));
  assert.deepEqual(again, { ...now, recovered: true });
  await client.waitForSeq(shared, 3);
  assert.deepEqual(seqs(client, shared), range(1, 3));
});

testEachTransport('with an unknown offset all events since the last heartbeat are sent again', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  for (const offset of [undefined, '', 'another offset', 7, null, { seq: 2 }]) {
    const client = await connectClient(ana, { via: proxy });
    const before = client.identity;
    const { seq } = await client.join(shared);
    await client.waitForSeq(shared, await createSources(ana, shared, 2));

    const now = await proxy.interrupt(client, async () => {
      await createSources(ana, shared, 2);
      client.socket._lastOffset = offset;
    });
    assert.deepEqual(now, { ...before, recovered: true }, JSON.stringify(offset));
    await client.waitForSeq(shared, await createSources(ana, shared));
    const since = client.log.findLastIndex(({ event }) => event === 'connect');
    const seqsSince = client.log.slice(since).filter(({ event }) => event === 'source:created').map(({ payload }) => payload.seq);
    assert.deepEqual(seqsSince, range(seq + 1, seq + 5), JSON.stringify(offset));
    client.close();
  }
});

testEachTransport('a client that disconnected itself gets a new connection', async ({ service, newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const [shared, other] = [await newVault(ana), await newVault(ana)];
  const client = await connectClient(ana);
  const before = client.identity;
  await client.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared));

  client.socket.disconnect();
  await client.nextEvent('disconnect');
  await service.waitForDisconnected(before.id);
  await createSources(ana, shared, 2);
  // The client still sends its pid and its offset.
  assert.equal(client.socket._pid, before.pid);
  client.socket.connect();
  assertNewConnection(await client.nextEvent('connect'), before);
  await createSources(ana, shared);
  await assertReceivesOnlyJoinOf(other, client);
  assert.deepEqual(seqs(client, shared), [1]);
});

const testWithoutRecovery = testEachTransportWith({ VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '0s' });

/** Asserts that a client with this auth payload beside its token has no pid, and that its handlers get exactly one argument. */
const getsOneArgument = (auth) => async ({ newUser, newVault, startProxy, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy, auth: { token: ana.token(), ...auth } });
  const before = client.identity;
  assert.equal(before.pid, undefined);
  const { epoch } = await client.join(shared);
  const { source } = await httpApi(ana).create(shared, PAPER);
  await httpApi(ana).update(source, { title: 'Changed' });
  await httpApi(ana).remove(source);
  (await ana.post(`/api/vaults/${shared.id}/members`, { userId: ben.id, role: 'viewer' })).expectStatus(201);
  await client.waitForSeq(shared, 4);

  const now = await proxy.interrupt(client, () => createSources(ana, shared));
  assert.deepEqual([now.pid, now.recovered], [undefined, false]);
  assert.notEqual(now.id, before.id);
  assert.equal((await client.join(shared, { since: 4, epoch })).replayed, 1);
  await client.waitForSeq(shared, await createSources(ana, shared));
  assert.deepEqual(seqs(client, shared), range(1, 6));
  const argCounts = client.log.filter(({ event }) => /^(vault|source|member):/.test(event)).map(({ args }) => args.length);
  assert.deepEqual(argCounts, Array(8).fill(1));
};

testWithoutRecovery('without a recovery window there is no pid, and event handlers get exactly one argument', getsOneArgument({}));
testEachTransport('a client that turns recovery off has no pid, and its event handlers get exactly one argument', getsOneArgument({ recovery: false }));

/** In milliseconds. The window begins when the service notices that the client is disconnected; nothing announces its end. */
const WINDOW = 1_000;
const testShortWindow = testEachTransportWith({ VAULTCAST__SOCKETIO__RECOVERY_WINDOW: `${WINDOW}ms`, ...LOG_DISCONNECTS });

testShortWindow('a client that reconnects after the window gets a new connection and resumes with since', async ({ service, newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  const { epoch } = await client.join(shared);
  await client.waitForSeq(shared, await createSources(ana, shared));

  const now = await proxy.interrupt(client, async () => {
    await createSources(ana, shared, 2);
    await service.waitForDisconnected(before.id);
    await pause(1.2 * WINDOW);
  });
  assertNewConnection(now, before);
  // The client still sends the offset of its earlier connection, which is not valid for the new one.
  assert.equal((await client.join(shared, { since: 1, epoch })).replayed, 2);
  await client.waitForSeq(shared, 3);
  assert.deepEqual(seqs(client, shared), range(1, 3));
});

testShortWindow('a stop of the service does not extend the window', async ({ service, newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  const before = client.identity;
  await client.join(shared);
  await client.waitForUpgrade();
  await service.stop();
  await client.nextEvent('disconnect');
  await pause(1.2 * WINDOW);
  await service.restart();
  assertNewConnection(await client.nextEvent('connect'), before);
});

const RETAINED = 5;
const testTrimmedJournal = testEachTransportWith({ VAULTCAST__JOURNAL__RETAIN_EVENTS: `${RETAINED}`, VAULTCAST__SERVER__SHUTDOWN_GRACE: '3s' });

testTrimmedJournal('a connection is not recovered if one of its vaults has trimmed the missed events', async ({ service, newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const [longVault, shortVault] = [await newVault(ana), await newVault(ana)];
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  const { epoch } = await client.join(longVault);
  await client.join(shortVault);
  for (const vault of [longVault, shortVault]) await client.waitForSeq(vault, await createSources(ana, vault));

  const trim = async () => {
    await createSources(ana, longVault, 2 * RETAINED);
    await createSources(ana, shortVault, 2);
    // The service trims the journal when it starts. No event announces the end of the trim, so the test polls for it.
    await service.stop();
    await service.restart();
    while ((await ana.get(`/api/vaults/${longVault.id}/events?since=1`)).status === 200) await pause(20);
  };
  assertNewConnection(await proxy.interrupt(client, trim), before);
  for (const vault of [longVault, shortVault]) await createSources(ana, vault);

  // The client received no event of either vault and joins both again.
  const joined = { longVault: await client.join(longVault, { since: 1, epoch }), shortVault: await client.join(shortVault, { since: 1, epoch }) };
  assert.deepEqual([joined.longVault.resync, joined.longVault.replayed], [true, undefined]);
  assert.deepEqual([joined.shortVault.resync, joined.shortVault.replayed], [undefined, 3]);
  for (const vault of [longVault, shortVault]) await createSources(ana, vault);
  await client.waitForSeq(longVault, 3 + 2 * RETAINED);
  await client.waitForSeq(shortVault, 5);
  assert.deepEqual([seqs(client, longVault), seqs(client, shortVault)], [[1, 3 + 2 * RETAINED], range(1, 5)]);
  assert(!client.eventNames.includes('error'), `${client}`);
});

testTrimmedJournal('a connection is recovered while the journal retains its last event', async ({ service, newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(shared);
  const last = await createSources(ana, shared, 2 * RETAINED);
  await client.waitForSeq(shared, last);

  const trim = async () => {
    await createSources(ana, shared, RETAINED - 1);
    await service.stop();
    await service.restart();
    while ((await ana.get(`/api/vaults/${shared.id}/events?since=${last - 2}`)).status === 200) await pause(20);
  };
  assert.deepEqual(await proxy.interrupt(client, trim), { ...before, recovered: true });
  await client.waitForSeq(shared, last + RETAINED - 1);
  assert.deepEqual(seqs(client, shared), range(1, last + RETAINED - 1));
});
