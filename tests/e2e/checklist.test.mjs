// The contract's testing checklist, line by line: each story has the name of its line.

import assert from 'node:assert/strict';
import { PAPER, range, story } from './harness.mjs';
import { byHttp, bySocket } from './doors.mjs';
import { Listener } from './listener.mjs';
import { Proxy } from './proxy.mjs';

/** A vault of three, and a connected client for each of them. */
async function room({ user, vault, socket }) {
  const [ana, ben, cem] = ['ana', 'ben', 'cem'].map((name) => user(name));
  const shared = await vault(ana, { contributor: [ben], viewer: [cem] });
  const listeners = await Promise.all([ana, ben, cem].map((person) => socket(person)));
  return { shared, people: [ana, ben, cem], listeners };
}

async function joinedRoom(world) {
  const all = await room(world);
  for (const listener of all.listeners) await listener.join(all.shared);
  return all;
}

/** A client that reaches the service through a network that can fail. */
async function throughAProxy({ service, transport }, person, tell) {
  const proxy = await Proxy.inFrontOf(service);
  const listener = new Listener(proxy.url, { ...transport, auth: { token: person.token() } });
  try {
    await listener.hears('connect');
    await tell(listener, proxy);
  } finally {
    listener.close();
    await proxy.close();
  }
}

story('Connection establishment with valid session', async ({ user, socket }) => {
  const listener = await socket(user('ana'));
  assert.equal(listener.socket.connected, true);
  assert.equal(typeof listener.socket.id, 'string');
});

story('Connection rejection with invalid session', async ({ knock }) => {
  const listener = knock({ auth: { token: 'no.such.session' } });
  assert.equal(await listener.hears('connect_error'), 'UNAUTHORIZED');
  assert.equal(listener.socket.connected, false);
});

story('Room join with valid vault membership', async (world) => {
  const { shared, listeners } = await room(world);
  const roles = [];
  for (const listener of listeners) {
    listener.tell('vault:join', shared.id);
    const { vaultId, role } = await listener.hears('vault:joined');
    assert.equal(vaultId, shared.id);
    roles.push(role);
  }
  assert.deepEqual(roles, ['owner', 'contributor', 'viewer']);
});

story('Room join rejection without vault membership', async ({ user, vault, socket }) => {
  const shared = await vault(user('ana'));
  const listener = await socket(user('zoe'));
  listener.tell('vault:join', shared.id);
  const { message, code } = await listener.hears('error');
  assert.deepEqual([message, code], ['Access denied to vault', 'ACCESS_DENIED']);
  assert.deepEqual(listener.names, ['error']);
});

story('source:created event propagation to all room members', async (world) => {
  const { shared, people, listeners } = await joinedRoom(world);
  const { source } = await byHttp(people[0]).create(shared, PAPER);
  for (const listener of listeners) assert.equal((await listener.hears('source:created')).source.id, source.id);
});

story('source:updated event propagation to all room members', async (world) => {
  const { shared, people, listeners } = await joinedRoom(world);
  const { source } = await byHttp(people[0]).create(shared, PAPER);
  await byHttp(people[1]).update(source, { title: 'Another title' });
  for (const listener of listeners) {
    const heard = await listener.hears('source:updated');
    assert.deepEqual([heard.source.id, heard.source.title], [source.id, 'Another title']);
  }
});

story('source:deleted event propagation to all room members', async (world) => {
  const { shared, people, listeners } = await joinedRoom(world);
  const { source } = await byHttp(people[0]).create(shared, PAPER);
  await byHttp(people[1]).remove(source);
  for (const listener of listeners) {
    const { sourceId, vaultId } = await listener.hears('source:deleted');
    assert.deepEqual([sourceId, vaultId], [source.id, shared.id]);
  }
});

story('Event isolation (events only to correct vault room)', async (world) => {
  const { user, vault, socket } = world;
  const { shared, people, listeners } = await joinedRoom(world);
  const other = await vault(user('dan'), { viewer: [people[2]] });
  const outside = await socket(people[2]);
  await outside.join(other);

  const { seq } = await byHttp(people[0]).create(shared, PAPER);
  for (const listener of listeners) await listener.reaches(shared, seq);
  // What was sent to the outsider after that event is here, so the event itself would be.
  await outside.does('vault:leave', other.id);
  assert.deepEqual(outside.names, ['vault:joined']);
});

story('Actor attribution in all events', async (world) => {
  const { shared, people, listeners } = await joinedRoom(world);
  const [ana, ben] = people;
  const { source } = await byHttp(ana).create(shared, PAPER);
  await bySocket(listeners[1]).update(source, { title: 'By Ben' });
  await byHttp(ana).remove(source);
  for (const listener of listeners) {
    assert.deepEqual((await listener.hears('source:created')).actor, ana.as('owner'));
    assert.deepEqual((await listener.hears('source:updated')).actor, ben.as('contributor'));
    assert.deepEqual((await listener.hears('source:deleted')).actor, ana.as('owner'));
  }
});

story('Automatic reconnection after network interruption', async (world) => {
  const ana = world.user('ana');
  await throughAProxy(world, ana, async (listener, proxy) => {
    const attempts = [];
    const reconnected = new Promise((resolve) => listener.socket.io.once('reconnect', resolve));
    const tried = new Promise((resolve) => listener.socket.io.on('reconnect_attempt', (n) => resolve(attempts.push(n))));
    proxy.cut();
    assert.match(await listener.hears('disconnect'), /^transport (close|error)$/);
    await tried;
    proxy.mend();
    assert.equal(await reconnected, attempts.length);
    await listener.hears('connect');
  });
});

story('Room re-join after reconnection', async (world) => {
  const [ana, ben] = [world.user('ana'), world.user('ben')];
  const shared = await world.vault(ana, { viewer: [ben] });
  await throughAProxy(world, ben, async (listener, proxy) => {
    // As the contract's client does it: with every reconnect it joins again.
    listener.socket.io.on('reconnect', () => listener.tell('vault:join', shared.id));
    await listener.join(shared);
    proxy.cut();
    await listener.hears('disconnect');
    proxy.mend();
    const { role } = await listener.hears('vault:joined');
    assert.equal(role, 'viewer');
    const { seq } = await byHttp(ana).create(shared, PAPER);
    await listener.reaches(shared, seq);
    assert.deepEqual(listener.eventsOf(shared).map((event) => event.seq), [seq]);
  });
});

story('Error event for unauthorized operations', async ({ user, vault, socket }) => {
  const shared = await vault(user('ana'));
  const listener = await socket(user('zoe'));
  listener.tell('source:created', { vaultId: shared.id, source: PAPER });
  const { code, details } = await listener.hears('error');
  assert.equal(code, 'ACCESS_DENIED');
  assert.deepEqual(details, { event: 'source:created', vaultId: shared.id });
});

story('Viewer cannot emit mutation events', async (world) => {
  const { shared, people, listeners } = await joinedRoom(world);
  const viewer = listeners[2];
  const { source, seq } = await byHttp(people[0]).create(shared, PAPER);
  for (const [event, payload] of [
    ['source:created', { vaultId: shared.id, source: PAPER }],
    ['source:updated', { source: { id: source.id, title: 'No' } }],
    ['source:deleted', { sourceId: source.id }],
  ]) {
    await viewer.isRefused(event, payload, 'INSUFFICIENT_PERMISSIONS', 'Insufficient permissions');
  }
  assert.equal((await people[0].get(`/api/vaults/${shared.id}`)).body.seq, seq);
});

story('Owner/contributor can emit mutation events', async (world) => {
  const { shared, listeners } = await joinedRoom(world);
  for (const listener of listeners.slice(0, 2)) {
    const { source } = await bySocket(listener).create(shared, PAPER);
    await bySocket(listener).update(source, { title: 'Mine' });
    await bySocket(listener).remove(source);
  }
  for (const listener of listeners) {
    await listener.reaches(shared, shared.seq + 6);
    const seqs = listener.eventsOf(shared).map((event) => event.seq);
    assert.deepEqual(seqs, range(shared.seq + 1, shared.seq + 6));
  }
});
