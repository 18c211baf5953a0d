// What a vault shows, with the real service.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, VaultcastError } from 'vaultcast-client';
import { next, PAPER, testService, until } from './service.mjs';

const service = testService();
const isLive = ({ status }) => status === 'live';
const titles = ({ sources }) => sources.map(({ title }) => title);

test('a vault shows name, role, members and sources, and follows the changes of others', async () => {
  const [ana, cem] = [await service.newUser('Ana'), await service.newUser('Cem')];
  const id = await service.newVault(ana, { viewer: [cem] });
  const first = (await ana.post(`/api/vaults/${id}/sources`, { ...PAPER, title: 'first' })).body;
  const vault = service.connect(cem).vault(id);
  assert.deepEqual([vault.getSnapshot().status, vault.getSnapshot().sources, vault.getSnapshot().seq], ['loading', [], -1]);

  const live = await until(vault, isLive);
  assert.deepEqual([live.name, live.role, live.seq, live.connection, live.error], ['Papers', 'viewer', 2, 'connected', undefined]);
  assert.deepEqual(live.members.map(({ userId, role }) => [userId, role]), [[ana.id, 'owner'], [cem.id, 'viewer']]);
  assert.deepEqual(live.sources, [first]);

  const seen = [];
  for (const name of ['source:created', 'source:updated', 'source:deleted', 'member:updated', 'vault:updated']) {
    vault.on(name, (event) => seen.push([name, event.seq, vault.getSnapshot().seq]));
  }
  const second = (await ana.post(`/api/vaults/${id}/sources`, { ...PAPER, title: 'second' })).body;
  await ana.patch(`/api/sources/${first.id}`, { title: 'first, changed' });
  await vault.waitForSeq(4);
  assert.deepEqual(titles(vault.getSnapshot()), ['second', 'first, changed']);
  assert.equal(vault.getSnapshot().sources[0].id, second.id);
  await ana.delete(`/api/sources/${second.id}`);
  await ana.patch(`/api/vaults/${id}/members/${cem.id}`, { role: 'contributor' });
  await ana.patch(`/api/vaults/${id}`, { name: 'Renamed' });
  await vault.waitForSeq(7);
  const { role, name, members } = vault.getSnapshot();
  assert.deepEqual([role, name, members[1].role, titles(vault.getSnapshot())], ['contributor', 'Renamed', 'contributor', ['first, changed']]);
  assert.deepEqual(seen.map(([, seq, shown]) => [seq, shown]), [3, 4, 5, 6, 7].map((seq) => [seq, seq]));
  assert.deepEqual([live.seq, live.sources.length, live.role], [2, 1, 'viewer'], 'a snapshot does not change');
});

test('an own change is shown at once, and once; unchanged parts keep their identity', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const vault = service.connect(ana).vault(id);
  const shown = [];
  vault.subscribe(() => shown.push(vault.getSnapshot()));
  await until(vault, isLive);

  const created = vault.create({ ...PAPER, title: '  new  ', fileKey: null });
  const { sources: [optimistic], pending, members } = vault.getSnapshot();
  assert.deepEqual([optimistic.title, optimistic.mimeType, pending], ['new', 'application/pdf', [optimistic.id]]);
  const changed = vault.update(optimistic.id, { title: 'changed before its answer', fileSize: 5 });
  assert.deepEqual([vault.getSnapshot().sources[0].title, vault.getSnapshot().sources[0].fileSize], ['changed before its answer', 5]);

  const { source, seq } = await created;
  assert.deepEqual([source.title, seq], ['new', 1]);
  assert.equal((await changed).seq, 2);
  await vault.waitForSeq(2);
  const settled = vault.getSnapshot();
  assert.deepEqual(settled.sources, [(await changed).source]);
  assert.deepEqual([settled.pending, settled.members === members], [[], true]);

  const removed = vault.remove(optimistic.id); // the temporary id stays valid
  assert.deepEqual(vault.getSnapshot().sources, []);
  assert.equal((await removed).seq, 3);
  await vault.waitForSeq(3);
  assert(shown.every(({ sources }) => sources.length <= 1), 'the source is never shown twice');
  const first = shown.findIndex(({ sources }) => sources.length === 1);
  const last = shown.findLastIndex(({ sources }) => sources.length === 1);
  assert(shown.slice(first, last).every(({ sources }) => sources.length === 1), 'the source does not vanish in between');
});

test('a refused change is withdrawn and rejected with the code of the service', async () => {
  const [ana, cem] = [await service.newUser('Ana'), await service.newUser('Cem')];
  const id = await service.newVault(ana, { viewer: [cem] });
  const { body: source } = await ana.post(`/api/vaults/${id}/sources`, PAPER);
  const vault = service.connect(cem).vault(id);
  await until(vault, isLive);
  const changes = { create: () => vault.create(PAPER), update: () => vault.update(source.id, { title: 'x' }), remove: () => vault.remove(source.id) };
  for (const [name, change] of Object.entries(changes)) {
    const result = change();
    assert.notDeepEqual(vault.getSnapshot().sources, [source], name);
    await assert.rejects(result, (error) => error instanceof VaultcastError && error.code === 'INSUFFICIENT_PERMISSIONS' && error.status === 403 && !error.outcomeUnknown);
    assert.deepEqual([vault.getSnapshot().sources, vault.getSnapshot().pending], [[source], []], name);
  }
  const owner = service.connect(ana).vault(id);
  await until(owner, isLive);
  const created = owner.create({ ...PAPER, title: ' ' });
  const updated = owner.update(owner.getSnapshot().sources[0].id, { title: 'of a source that is not created' });
  await assert.rejects(created, ({ code, details }) => code === 'VALIDATION_FAILED' && details[0].field === 'title');
  await assert.rejects(updated, ({ code }) => code === 'NOT_FOUND');
  assert.deepEqual(owner.getSnapshot().sources, [source]);
});

test('a change whose answer is lost is repeated and made once', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const proxy = await service.newProxy();
  // Cut in the middle of an upgrade, a client may notice that only when its heartbeat fails.
  const vault = service.connect(ana, { url: proxy.url, socket: { transports: ['websocket'] } }).vault(id);
  const observer = service.connect(ana).vault(id);
  await Promise.all([until(vault, isLive), until(observer, isLive)]);
  /** Starts a change and loses its answer. */
  const loseAnswer = async (change, seq) => {
    proxy.discardServerData();
    const result = change();
    await observer.waitForSeq(seq);
    proxy.cut();
    proxy.restore();
    return result;
  };
  const { source } = await loseAnswer(() => vault.create(PAPER), 1);
  const updated = await loseAnswer(() => vault.update(source.id, { title: 'changed' }), 2);
  await Promise.all([vault, observer].map((each) => each.waitForSeq(updated.seq)));
  assert.deepEqual(titles(vault.getSnapshot()), ['changed']);
  const { seq } = await loseAnswer(() => vault.remove(source.id), updated.seq + 1);
  assert.equal(seq, 0, 'the source was gone already');
  const { events } = (await ana.get(`/api/vaults/${id}/events?since=0`)).body;
  assert.deepEqual([...new Set(events.map(({ event }) => event))], ['source:created', 'source:updated', 'source:deleted']);
  await vault.waitForSeq(events.at(-1).seq);
  assert.deepEqual([vault.getSnapshot().sources, vault.getSnapshot().pending], [[], []]);
});

test('a change that cannot be delivered is withdrawn in the end, with an unknown outcome', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const proxy = await service.newProxy();
  const vault = service.connect(ana, { url: proxy.url, retryFor: 100, socket: { transports: ['websocket'] } }).vault(id);
  await until(vault, isLive);
  proxy.cut();
  const created = vault.create(PAPER);
  assert.equal(vault.getSnapshot().sources.length, 1);
  await assert.rejects(created, ({ code, outcomeUnknown }) => code === 'NETWORK_ERROR' && outcomeUnknown);
  assert.deepEqual(vault.getSnapshot().sources, []);
  proxy.restore();
  await until(vault, isLive);
});

test('a vault ends when its user is refused or removed, or when it is deleted, and may be subscribed to again', async () => {
  const [ana, cem, dan] = [await service.newUser('Ana'), await service.newUser('Cem'), await service.newUser('Dan')];
  const id = await service.newVault(ana, { viewer: [cem] });
  await ana.post(`/api/vaults/${id}/sources`, PAPER);
  const [owner, removed, stranger, malformed] = [service.connect(ana).vault(id), service.connect(cem).vault(id), service.connect(dan).vault(id), service.connect(dan).vault('x')];
  const isEnded = ({ status }) => status === 'ended';
  assert.equal((await until(stranger, isEnded)).error.code, 'ACCESS_DENIED');
  assert.equal((await until(malformed, isEnded)).error.code, 'INVALID_VAULT_ID');
  const unsubscribe = removed.subscribe(() => {});
  await Promise.all([until(removed, isLive), until(owner, isLive)]);

  const rejected = assert.rejects(removed.waitForSeq(100), ({ code }) => code === 'ACCESS_DENIED');
  await ana.delete(`/api/vaults/${id}/members/${cem.id}`);
  const { error, sources, members, role } = await until(removed, isEnded);
  assert.deepEqual([error.code, sources, members, role], ['ACCESS_DENIED', [], [], undefined]);
  await rejected;
  unsubscribe();
  await ana.post(`/api/vaults/${id}/members`, { userId: cem.id, role: 'contributor' });
  assert.equal((await until(removed, isLive)).role, 'contributor');

  const deletion = next(owner, 'vault:deleted');
  await ana.delete(`/api/vaults/${id}`);
  assert.equal((await deletion).vaultId, id);
  assert.equal((await until(owner, isEnded)).error.code, 'VAULT_DELETED');
});

test('`connect()` tries again what the user was removed from, and not what was deleted', async () => {
  const [ana, cem] = [await service.newUser('Ana'), await service.newUser('Cem')];
  const [id, deleted] = [await service.newVault(ana, { viewer: [cem] }), await service.newVault(ana, { viewer: [cem] })];
  const client = service.connect(cem);
  const vaults = [client.vault(id), client.vault(deleted)];
  for (const vault of vaults) vault.subscribe(() => {});
  await Promise.all(vaults.map((vault) => until(vault, isLive)));
  await ana.delete(`/api/vaults/${id}/members/${cem.id}`);
  await ana.delete(`/api/vaults/${deleted}`);
  const isEnded = ({ status }) => status === 'ended';
  await Promise.all(vaults.map((vault) => until(vault, isEnded)));
  await ana.post(`/api/vaults/${id}/members`, { userId: cem.id, role: 'contributor' });
  client.connect();
  assert.equal((await until(vaults[0], isLive)).role, 'contributor');
  assert.equal(vaults[1].getSnapshot().error.code, 'VAULT_DELETED');
});

test('a vault is left some time after its last subscriber, keeps its state, and resumes with since', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const client = service.connect(ana);
  const vault = client.vault(id);
  assert.equal(client.vault(id), vault);
  await until(vault, isLive);
  const left = new Promise((resolve) => client.socket.onAnyOutgoing((event) => event === 'vault:leave' && resolve()));
  await left;
  assert.equal(vault.getSnapshot().status, 'stale');
  await ana.post(`/api/vaults/${id}/sources`, PAPER);
  const joins = [];
  client.socket.onAnyOutgoing((event, join) => joins.push([event, join.since]));
  await until(vault, isLive);
  await vault.waitForSeq(1);
  assert.deepEqual([vault.getSnapshot().sources.length, joins], [1, [['vault:join', 0]]]);
});

test('a handler that throws does not disturb the others', async (context) => {
  const ana = await service.newUser('Ana');
  const vault = service.connect(ana).vault(await service.newVault(ana));
  await until(vault, isLive);
  const { queueMicrotask } = globalThis;
  const reported = new Promise((resolve) => {
    context.mock.method(globalThis, 'queueMicrotask', (action) => queueMicrotask(() => new Promise((done) => done(action())).catch(resolve)));
  });
  vault.on('source:created', () => {
    throw new Error('a defect of the application');
  });
  const seen = next(vault, 'source:created');
  await vault.create(PAPER);
  assert.equal((await seen).seq, 1);
  assert.match(String(await reported), /a defect of the application/);
});

test('nothing connects before a subscriber, and a closed client rejects everything', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const client = connect({ url: ana.service.url, auth: ana.token() });
  const vault = client.vault(id);
  assert.equal((await vault.create(PAPER)).seq, 1); // a change needs no subscriber
  assert.deepEqual([client.socket, client.state, vault.getSnapshot().status], [undefined, 'connecting', 'loading']);
  await until(vault, isLive);
  const pending = [vault.create(PAPER), vault.waitForSeq(100)];
  const unused = client.vault('c0000000000');
  client.close();
  assert.deepEqual(vault.getSnapshot().sources, [], 'not even the change in progress is shown');
  pending.push(unused.waitForSeq(0));
  for (const promise of pending) await assert.rejects(promise, ({ code }) => code === 'CLOSED');
  const { status, connection, error, sources } = vault.getSnapshot();
  assert.deepEqual([client.state, status, connection, error.code, sources], ['closed', 'ended', 'closed', 'CLOSED', []]);
  assert.equal(client.vault('another').getSnapshot().status, 'ended');
  await assert.rejects(vault.create(PAPER), ({ code }) => code === 'CLOSED');
});
