// The testing checklist of the contract, line by line. Each test has the title of its line.

import assert from 'node:assert/strict';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { httpApi, socketApi } from './source-api.mjs';
import { TestClient } from './test-client.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';

/** Creates a vault with three members and connects a client of each. */
async function connectMembers({ newUser, newVault, connectClient }) {
  const [ana, ben, cem] = ['ana', 'ben', 'cem'].map((name) => newUser(name));
  const shared = await newVault(ana, { contributor: [ben], viewer: [cem] });
  const clients = await Promise.all([ana, ben, cem].map((user) => connectClient(user)));
  return { shared, users: [ana, ben, cem], clients };
}

async function joinMembers(context) {
  const members = await connectMembers(context);
  for (const client of members.clients) await client.join(members.shared);
  return members;
}

/** Runs a test with a client that is connected through a proxy. */
async function withProxiedClient({ service, transport }, user, run) {
  const proxy = await CuttingProxy.start(service);
  const client = new TestClient(proxy.url, { ...transport, auth: { token: user.token() } });
  try {
    await client.nextEvent('connect');
    await client.waitForUpgrade();
    await run(client, proxy);
  } finally {
    client.close();
    await proxy.close();
  }
}

testEachTransport('Connection establishment with valid session', async ({ newUser, connectClient }) => {
  const client = await connectClient(newUser('ana'));
  assert.equal(client.socket.connected, true);
  assert.equal(typeof client.socket.id, 'string');
});

testEachTransport('Connection rejection with invalid session', async ({ openClient }) => {
  const client = openClient({ auth: { token: 'no.such.session' } });
  assert.equal(await client.nextEvent('connect_error'), 'UNAUTHORIZED');
  assert.equal(client.socket.connected, false);
});

testEachTransport('Room join with valid vault membership', async (context) => {
  const { shared, clients } = await connectMembers(context);
  const roles = [];
  for (const client of clients) {
    client.emit('vault:join', shared.id);
    const { vaultId, role } = await client.nextEvent('vault:joined');
    assert.equal(vaultId, shared.id);
    roles.push(role);
  }
  assert.deepEqual(roles, ['owner', 'contributor', 'viewer']);
});

testEachTransport('Room join rejection without vault membership', async ({ newUser, newVault, connectClient }) => {
  const shared = await newVault(newUser('ana'));
  const client = await connectClient(newUser('zoe'));
  client.emit('vault:join', shared.id);
  const { message, code } = await client.nextEvent('error');
  assert.deepEqual([message, code], ['Access denied to vault', 'ACCESS_DENIED']);
  assert.deepEqual(client.eventNames, ['error']);
});

testEachTransport('source:created event propagation to all room members', async (context) => {
  const { shared, users, clients } = await joinMembers(context);
  const { source } = await httpApi(users[0]).create(shared, PAPER);
  for (const client of clients) assert.equal((await client.nextEvent('source:created')).source.id, source.id);
});

testEachTransport('source:updated event propagation to all room members', async (context) => {
  const { shared, users, clients } = await joinMembers(context);
  const { source } = await httpApi(users[0]).create(shared, PAPER);
  await httpApi(users[1]).update(source, { title: 'Another title' });
  for (const client of clients) {
    const event = await client.nextEvent('source:updated');
    assert.deepEqual([event.source.id, event.source.title], [source.id, 'Another title']);
  }
});

testEachTransport('source:deleted event propagation to all room members', async (context) => {
  const { shared, users, clients } = await joinMembers(context);
  const { source } = await httpApi(users[0]).create(shared, PAPER);
  await httpApi(users[1]).remove(source);
  for (const client of clients) {
    const { sourceId, vaultId } = await client.nextEvent('source:deleted');
    assert.deepEqual([sourceId, vaultId], [source.id, shared.id]);
  }
});

testEachTransport('Event isolation (events only to correct vault room)', async (context) => {
  const { newUser, newVault, connectClient } = context;
  const { shared, users, clients } = await joinMembers(context);
  const other = await newVault(newUser('dan'), { viewer: [users[2]] });
  const outside = await connectClient(users[2]);
  await outside.join(other);

  const { seq } = await httpApi(users[0]).create(shared, PAPER);
  for (const client of clients) await client.waitForSeq(shared, seq);
  // This acknowledgement arrives after anything that the service sent to the outside client before.
  await outside.emitOk('vault:leave', other.id);
  assert.deepEqual(outside.eventNames, ['vault:joined']);
});

testEachTransport('Actor attribution in all events', async (context) => {
  const { shared, users, clients } = await joinMembers(context);
  const [ana, ben] = users;
  const { source } = await httpApi(ana).create(shared, PAPER);
  await socketApi(clients[1]).update(source, { title: 'By Ben' });
  await httpApi(ana).remove(source);
  for (const client of clients) {
    assert.deepEqual((await client.nextEvent('source:created')).actor, ana.actor('owner'));
    assert.deepEqual((await client.nextEvent('source:updated')).actor, ben.actor('contributor'));
    assert.deepEqual((await client.nextEvent('source:deleted')).actor, ana.actor('owner'));
  }
});

testEachTransport('Automatic reconnection after network interruption', async (context) => {
  const ana = context.newUser('ana');
  await withProxiedClient(context, ana, async (client, proxy) => {
    const attempts = [];
    const reconnected = new Promise((resolve) => client.socket.io.once('reconnect', resolve));
    const tried = new Promise((resolve) => client.socket.io.on('reconnect_attempt', (n) => resolve(attempts.push(n))));
    proxy.cut();
    assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
    await tried;
    proxy.restore();
    assert.equal(await reconnected, attempts.length);
    await client.nextEvent('connect');
  });
});

testEachTransport('Room re-join after reconnection', async (context) => {
  const [ana, ben] = [context.newUser('ana'), context.newUser('ben')];
  const shared = await context.newVault(ana, { viewer: [ben] });
  await withProxiedClient(context, ben, async (client, proxy) => {
    // The client of the contract joins again after every reconnect.
    client.socket.io.on('reconnect', () => client.emit('vault:join', shared.id));
    await client.join(shared);
    proxy.cut();
    await client.nextEvent('disconnect');
    proxy.restore();
    const { role } = await client.nextEvent('vault:joined');
    assert.equal(role, 'viewer');
    const { seq } = await httpApi(ana).create(shared, PAPER);
    await client.waitForSeq(shared, seq);
    assert.deepEqual(client.eventsOf(shared).map((event) => event.seq), [seq]);
  });
});

testEachTransport('Error event for unauthorized operations', async ({ newUser, newVault, connectClient }) => {
  const shared = await newVault(newUser('ana'));
  const client = await connectClient(newUser('zoe'));
  client.emit('source:created', { vaultId: shared.id, source: PAPER });
  const { code, details } = await client.nextEvent('error');
  assert.equal(code, 'ACCESS_DENIED');
  assert.deepEqual(details, { event: 'source:created', vaultId: shared.id });
});

testEachTransport('Viewer cannot emit mutation events', async (context) => {
  const { shared, users, clients } = await joinMembers(context);
  const viewer = clients[2];
  const { source, seq } = await httpApi(users[0]).create(shared, PAPER);
  for (const [event, payload] of [
    ['source:created', { vaultId: shared.id, source: PAPER }],
    ['source:updated', { source: { id: source.id, title: 'No' } }],
    ['source:deleted', { sourceId: source.id }],
  ]) {
    await viewer.expectError(event, payload, 'INSUFFICIENT_PERMISSIONS', 'Insufficient permissions');
  }
  assert.equal((await users[0].get(`/api/vaults/${shared.id}`)).body.seq, seq);
});

testEachTransport('Owner/contributor can emit mutation events', async (context) => {
  const { shared, clients } = await joinMembers(context);
  for (const client of clients.slice(0, 2)) {
    const { source } = await socketApi(client).create(shared, PAPER);
    await socketApi(client).update(source, { title: 'Mine' });
    await socketApi(client).remove(source);
  }
  for (const client of clients) {
    await client.waitForSeq(shared, shared.seq + 6);
    const seqs = client.eventsOf(shared).map((event) => event.seq);
    assert.deepEqual(seqs, range(shared.seq + 1, shared.seq + 6));
  }
});
