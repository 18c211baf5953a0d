// Readers that join and leave, members that are removed, and readers that stall, all during a stream of mutations.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DescriptorCounter } from './descriptor-counter.mjs';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { httpApi, socketApi } from './source-api.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

/** Sends mutations one after the other until `stop`, which resolves with the last `seq`. */
function startStream(api, vault) {
  let running = true;
  const done = (async () => {
    for (let last; ; ) {
      const { source } = await api.create(vault, PAPER);
      last = (await api.update(source, { title: 'Changed' })).seq;
      if (!running) return last;
    }
  })();
  return { stop: () => ((running = false), done), done };
}

testEachTransport('clients that join at random during eight streams of mutations all see one gapless order', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const writers = range(1, 8).map((number) => newUser(`writer${number}`));
  const shared = await newVault(ana, { contributor: writers });
  const apis = await Promise.all(writers.map(async (writer, number) => (number % 2 ? httpApi(writer) : socketApi(await connectClient(writer)))));
  const streams = apis.map((api) => startStream(api, shared));

  // The readers join one after the other, some of them with `since`.
  const readers = [];
  let head = shared.seq;
  for (const number of range(1, 16)) {
    const client = await connectClient(ana);
    const since = number % 3 ? undefined : Math.floor(Math.random() * (head + 1));
    const joined = await client.join(shared, since === undefined ? undefined : { since });
    head = joined.seq;
    readers.push({ client, first: (since ?? joined.seq) + 1 });
  }
  const last = Math.max(...(await Promise.all(streams.map(({ stop }) => stop()))));

  const firstSeen = new Map();
  for (const { client, first } of readers) {
    await client.waitForSeq(shared, last);
    const events = client.eventsOf(shared);
    assert.deepEqual(events.map(({ seq }) => seq), range(first, last));
    for (const event of events) {
      if (!firstSeen.has(event.seq)) firstSeen.set(event.seq, event);
      assert.deepEqual(event, firstSeen.get(event.seq));
    }
  }
});

testEachTransport('a second join during a replay is confirmed after the replay', async (context) => {
  const ana = context.newUser('ana');
  const count = 300;
  const shared = await newVaultWithSources(context, ana, count);

  const client = await context.connectClient(ana);
  client.emit('vault:join', { vaultId: shared.id, since: 0 });
  client.emit('vault:join', shared.id);
  assert.equal((await client.nextEvent('vault:joined')).replayed, count);
  const again = await client.nextEvent('vault:joined');
  assert.deepEqual([again.seq, again.replayed], [count, undefined]);
  const { seq } = await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, seq);
  assert.deepEqual(client.eventsOf(shared).map((event) => event.seq), range(1, count + 1));
  // The second confirmation follows the replay and precedes the new event.
  assert.deepEqual([client.eventNames.at(0), client.eventNames.at(-2)], ['vault:joined', 'vault:joined']);
});

testEachTransport('a member removed during a stream of mutations receives nothing after its member:removed', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const removedUsers = range(1, 5).map((number) => newUser(`removed${number}`));
  const shared = await newVault(ana, { contributor: [ben], viewer: removedUsers });
  const clients = await Promise.all(removedUsers.flatMap((user) => [connectClient(user), connectClient(user)]));
  for (const client of clients) await client.join(shared);
  const streams = [httpApi(ana), socketApi(await connectClient(ben))].map((api) => startStream(api, shared));

  for (const { id } of removedUsers) (await ana.delete(`/api/vaults/${shared.id}/members/${id}`)).expectStatus(204);
  const last = Math.max(...(await Promise.all(streams.map(({ stop }) => stop()))));
  assert(last > shared.seq + removedUsers.length);

  for (const [number, client] of clients.entries()) {
    const { id } = removedUsers[Math.floor(number / 2)];
    const { details } = await client.nextEvent('error', ({ code }) => code === 'ACCESS_DENIED');
    assert.deepEqual(details, { vaultId: shared.id });
    // This answer arrives after anything that the service sent to the socket before.
    await client.expectError('vault:join', shared.id, 'ACCESS_DENIED');
    const events = client.eventsOf(shared);
    assert.deepEqual(events.map(({ seq }) => seq), range(shared.seq + 1, events.at(-1).seq));
    assert.equal(events.at(-1).event, 'member:removed');
    assert.equal(events.at(-1).payload.member.userId, id);
  }
});

/** Creates a vault with `count` sources. */
async function newVaultWithSources({ newVault }, owner, count) {
  const shared = await newVault(owner);
  for (const _ of range(1, count / 10)) await Promise.all(range(1, 10).map(() => httpApi(owner).create(shared, PAPER)));
  return { ...shared, seq: count };
}

testEachTransport('a member that was removed and added again receives the events from before and after', async (context) => {
  const [ana, ben] = [context.newUser('ana'), context.newUser('ben')];
  const shared = await newVaultWithSources(context, ana, 40);
  const members = `/api/vaults/${shared.id}/members`;
  const add = async () => (await ana.post(members, { userId: ben.id, role: 'viewer' })).expectStatus(201);
  await add();
  (await ana.delete(`${members}/${ben.id}`)).expectStatus(204);
  for (const _ of range(1, 40)) await httpApi(ana).create(shared, PAPER);
  await add();

  const client = await context.connectClient(ben);
  const { seq, replayed } = await client.join(shared, { since: 0 });
  assert.equal(replayed, seq);
  await client.waitForSeq(shared, seq);
  assert.deepEqual(client.eventsOf(shared).map((event) => event.seq), range(1, seq));
  assert(!client.eventNames.includes('error'));
});

testEachTransport('a vault that is deleted during a replay delivers the replay and vault:deleted', async (context) => {
  const ana = context.newUser('ana');
  const shared = await newVaultWithSources(context, ana, 400);
  const liveClient = await context.connectClient(ana);
  await liveClient.join(shared);
  const replaying = await Promise.all(range(1, 6).map(() => context.connectClient(ana)));
  for (const client of replaying) client.emit('vault:join', { vaultId: shared.id, since: 0 });
  for (const client of replaying) await client.nextEvent('vault:joined');
  const { seq } = (await ana.delete(`/api/vaults/${shared.id}`)).expectStatus(204);
  for (const client of replaying) {
    await client.nextEvent('vault:deleted');
    assert.deepEqual(client.eventsOf(shared).map((event) => event.seq), range(1, seq));
  }
});

let service;
const cleanups = [];
after(() => {
  for (const cleanup of cleanups) cleanup();
  return service?.dispose();
});

test('a socket that stops reading is closed with its descriptor and delays no other socket', { timeout: 180_000 }, async () => {
  service = await TestServer.start('serve', {
    VAULTCAST__ACTORS__SESSION_OUTBOX: '64',
    VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s',
  });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  const shared = { id: (await ana.post('/api/vaults', { name: 'Busy' })).expectStatus(201).body.id, seq: 0 };
  const openReader = async () => {
    const client = new TestClient(service.url, { transports: ['websocket'], auth: { token: ana.token() }, reconnection: false });
    cleanups.push(() => client.close());
    await client.nextEvent('connect');
    await client.join(shared);
    return client;
  };
  const reader = await openReader();
  const stalled = await Promise.all(range(1, 10).map(openReader));
  const rawSockets = stalled.map(({ socket }) => socket.io.engine.transport.ws._socket);
  cleanups.push(() => rawSockets.forEach((socket) => socket.destroy()));
  const descriptors = new DescriptorCounter(service, rawSockets.map(({ localPort }) => localPort));
  cleanups.push(() => descriptors.close());
  assert.equal(descriptors.count(), 10);
  for (const socket of rawSockets) socket.pause();

  // Enough to fill the kernel's buffers of each stalled socket, and then its outbox.
  const title = 'x'.repeat(500);
  const fileUrl = `https://files.example.com/${'y'.repeat(2000)}`;
  const lanes = range(1, 16).map(async () => {
    for (const _ of range(1, 50)) await httpApi(ana).create(shared, { title, fileUrl });
  });
  await Promise.all(lanes);
  await reader.waitForSeq(shared, 800);
  assert.deepEqual(reader.eventsOf(shared).map(({ seq }) => seq), range(1, 800));

  await descriptors.waitForNone();
});
