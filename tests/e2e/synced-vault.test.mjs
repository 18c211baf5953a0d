// The TypeScript client of the examples: every state that it publishes is the result of the vault's events up to its `seq`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { httpApi } from './source-api.mjs';
import { compileExample } from './synced-vault-example.mjs';
import { MixedLoad } from './mixed-load.mjs';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';
import { TestServer } from './test-server.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

let SyncedVault;
before(async () => {
  ({ SyncedVault } = await compileExample());
});

/** An example client of a user, with every state that it published. */
class Reader extends Observable {
  /** `{ epoch, seq, sources }`, oldest first. */
  published = [];
  /** Whether each of its connections was recovered. */
  connections = [];
  /** The number of resyncs that the service requested. */
  resyncs = 0;

  constructor(user, vault, { url = user.service.url, pageSize = 4, ...options } = {}) {
    super();
    this.replica = new SyncedVault({
      url,
      vaultId: vault.id,
      token: () => user.token(),
      retryDelay: 50,
      pageSize,
      socket: { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options },
      onChange: ({ epoch, seq, sources }) => {
        this.published.push({ epoch, seq, sources: structuredClone(sources) });
        this.notify();
      },
      onEnd: (reason) => {
        this.endReason = reason;
        this.notify();
      },
    });
    this.socket = this.replica.socket;
    this.socket.on('connect', () => this.connections.push(Boolean(this.socket.recovered)));
    this.socket.on('vault:joined', ({ resync }) => (this.resyncs += resync ? 1 : 0));
    for (const event of ['connect', 'disconnect']) this.socket.on(event, () => this.notify());
  }

  /** Waits until the client is connected, or disconnected. */
  async waitForConnected(connected) {
    await this.waitFor(() => (this.socket.connected === connected ? true : undefined), () => `connected: ${!connected}`, 3 * DEFAULT_TIMEOUT);
  }

  /** Waits until the client has published the state after this event, of this epoch if one is given. */
  async waitForState(seq, epoch) {
    const isSameEpoch = () => epoch === undefined || this.replica.epoch === epoch;
    const check = () => (isSameEpoch() && this.replica.seq >= seq ? true : undefined);
    await this.waitFor(check, () => `the client has published ${this.replica.seq} of epoch ${this.replica.epoch}, not ${seq} of ${epoch}`, 3 * DEFAULT_TIMEOUT);
  }

  /** Asserts that `seq` only grew within each epoch and that every published state existed. */
  assertMatchesHistory(history) {
    const last = {};
    for (const { epoch, seq, sources } of this.published) {
      assert(seq > (last[epoch] ?? -1), `the client published ${seq} after ${last[epoch]}`);
      last[epoch] = seq;
      assert.deepEqual(sources, history.sourcesAt(epoch, seq), `the state published at ${seq} of epoch ${epoch}`);
    }
  }
}

/** All events of a vault, read from its journal before it is trimmed, over several epochs. */
class History {
  #events = new Map();
  #states = new Map();

  constructor(user, vault) {
    Object.assign(this, { user, vault });
  }

  /** Reads the new events and returns the number of the last one. */
  async readNewEvents() {
    for (;;) {
      const known = this.#events.get(this.epoch) ?? [];
      const { body } = (await this.user.get(`/api/vaults/${this.vault.id}/events?since=${known.length}&limit=500`)).expectStatus(200);
      if (this.epoch === undefined) this.#events.set((this.epoch = body.epoch), known);
      assert.equal(body.epoch, this.epoch);
      known.push(...body.events);
      if (body.events.length === 0) return known.length;
    }
  }

  /** Begins a new epoch that shares the events up to `head` with the previous one. */
  startEpoch(epoch, head) {
    this.#events.set(epoch, this.#events.get(this.epoch).slice(0, head));
    this.epoch = epoch;
  }

  /** Returns the sources after event `seq`. */
  sourcesAt(epoch, seq) {
    if (!this.#states.has(epoch)) {
      const states = [new Map()];
      for (const { event, payload } of this.#events.get(epoch)) states.push(applyEvent(states.at(-1), event, payload));
      this.#states.set(epoch, states);
    }
    return this.#states.get(epoch)[seq];
  }
}

/** Returns the sources after one more event. */
function applyEvent(sources, event, { source, sourceId }) {
  const next = new Map(sources);
  if (event === 'source:created') next.set(source.id, { ...source, updatedAt: source.createdAt });
  if (event === 'source:updated') next.set(source.id, { ...source, createdAt: next.get(source.id).createdAt });
  if (event === 'source:deleted') next.delete(sourceId);
  return next;
}

/** Lists the sources of the vault in one page and returns them by id. */
async function listSources(user, vault) {
  const { sources } = (await user.get(`/api/vaults/${vault.id}/sources?limit=500`)).expectStatus(200).body;
  return new Map(sources.map((source) => [source.id, source]));
}

/** Runs one action after each page of a listing, before the client requests the next page. */
async function afterEachPage(actions, run) {
  const { fetch } = globalThis;
  const remaining = [...actions];
  globalThis.fetch = async (address, ...more) => {
    const answer = await fetch(address, ...more);
    if (/\/sources\?limit=/.test(address)) await remaining.shift()?.();
    return answer;
  };
  try {
    await run();
  } finally {
    globalThis.fetch = fetch;
  }
  assert.equal(remaining.length, 0, `${remaining.length} pages were not requested`);
}

testEachTransport('mutations between two pages of the listing leave the published states consistent', async ({ newUser, newVault, transport }) => {
  const [ana, cem] = [newUser('ana'), newUser('cem')];
  const shared = await newVault(ana, { viewer: [cem] });
  const api = httpApi(ana);
  const sources = [];
  const titled = (title) => ({ ...PAPER, title, fileKey: title });
  for (const n of range(1, 8)) sources[n] = (await api.create(shared, titled(`source ${n}`))).source;
  const change = (n, title) => api.update(sources[n], { title, fileKey: null });
  const remove = (n) => api.remove(sources[n]);

  let reader;
  const listing = [
    // After page 1: 8 and 7 are listed.
    async () => {
      for (const n of [8, 6, 4, 2]) await change(n, 'between 1 and 2');
      for (const title of ['once', 'twice', 'three times']) await change(1, title);
      for (const n of [7, 5]) await remove(n);
      await change(3, 'before its deletion');
      await remove(3);
      sources[9] = (await api.create(shared, titled('source 9'))).source;
      await api.remove((await api.create(shared, titled('short-lived'))).source);
    },
    // After page 2: 6 and 4 are listed.
    async () => {
      for (const n of [9, 6, 2]) await change(n, 'between 2 and 3');
      await remove(4);
      sources[10] = (await api.create(shared, titled('source 10'))).source;
      assert.deepEqual(reader.published, []);
    },
    // After the last page, before the join.
    async () => {
      await change(1, 'after the last');
      await remove(9);
    },
  ];
  try {
    let head;
    await afterEachPage(listing, async () => {
      reader = new Reader(cem, shared, { pageSize: 2, ...transport });
      await reader.waitFor(() => (reader.published.length > 0 ? true : undefined), () => 'no state was published');
      head = (await change(2, 'after the join')).seq;
      await reader.replica.waitForSeq(head);
    });
    const history = new History(ana, shared);
    assert.equal(await history.readNewEvents(), head);
    reader.assertMatchesHistory(history);
    assert.deepEqual(reader.replica.sources, await listSources(cem, shared));
  } finally {
    reader?.replica.close();
  }
});

testEachTransport("the user's own change is published with its seq, and no event is applied twice", async ({ newUser, newVault, transport }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const reader = new Reader(ana, shared, transport);
  try {
    await reader.waitForConnected(true);
    for (const n of range(1, 10)) {
      const { source, seq } = await reader.socket.emitWithAck('source:created', { vaultId: shared.id, source: { ...PAPER, title: `${n}` } });
      await reader.replica.waitForSeq(seq);
      assert.deepEqual(reader.replica.sources.get(source.id), source);
      // A second join on this socket replays all events again.
      await reader.socket.emitWithAck('vault:join', { vaultId: shared.id, since: 0, epoch: reader.replica.epoch });
    }
    const history = new History(ana, shared);
    await history.readNewEvents();
    reader.assertMatchesHistory(history);
  } finally {
    reader.replica.close();
  }
});

testEachTransport('a client ends when its user is refused or removed, or when its vault is deleted', async ({ newUser, newVault, transport }) => {
  const [ana, cem, dan] = [newUser('ana'), newUser('cem'), newUser('dan')];
  const shared = await newVault(ana, { viewer: [cem] });
  const readers = [ana, cem, dan].map((user) => new Reader(user, shared, transport));
  const waitForEnd = (reader, reason) => reader.waitFor(() => (reader.endReason === reason ? true : undefined), () => `the client ended with ${reader.endReason}, not ${reason}`);
  try {
    const [owner, removed, stranger] = readers;
    await waitForEnd(stranger, 'ACCESS_DENIED');
    const rejection = assert.rejects(removed.replica.waitForSeq(100), /ACCESS_DENIED/);
    await removed.waitForState(1);
    (await ana.delete(`/api/vaults/${shared.id}/members/${cem.id}`)).expectStatus(204);
    await waitForEnd(removed, 'ACCESS_DENIED');
    await rejection;
    await owner.waitForState(2);
    (await ana.delete(`/api/vaults/${shared.id}`)).expectStatus(204);
    await waitForEnd(owner, 'vault:deleted');
    assert.deepEqual([owner.replica.seq, owner.replica.sources.size], [3, 0]);
  } finally {
    for (const { replica } of readers) replica.close();
  }
});

let service, proxy, load;
const readers = [];
after(async () => {
  for (const { replica } of readers) replica.close();
  await load?.stop();
  await proxy?.close();
  await service?.dispose();
});

test('clients publish only states that existed, over cuts, restarts, kills, a trimmed journal and a restored backup', { timeout: 300_000 }, async () => {
  service = await TestServer.start();
  const [ana, cem] = ['ana', 'cem'].map((id) => new TestUser(service, id, id, `${id}@example.com`));
  const { id } = (await ana.post('/api/vaults', { name: 'Busy' })).expectStatus(201).body;
  (await ana.post(`/api/vaults/${id}/members`, { userId: cem.id, role: 'viewer' })).expectStatus(201);
  const history = new History(ana, { id });
  load = new MixedLoad(ana, { id });
  await load.waitForMore(30);

  proxy = await CuttingProxy.start(service);
  for (const transports of [['polling', 'websocket'], ['polling'], ['websocket']]) {
    readers.push(new Reader(cem, { id }, { url: proxy.url, transports }));
  }
  const forAll = (action) => Promise.all(readers.map(action));
  const waitForAll = async () => {
    await forAll((reader) => reader.waitForConnected(true));
    await forAll((reader) => reader.waitForState(load.seq, history.epoch));
  };
  await history.readNewEvents();
  await waitForAll();
  // A client that is cut during its upgrade may notice that only when its heartbeat fails.
  const waitForUpgrades = async () => {
    while (!readers.every(isUpgraded)) await Promise.race(readers.filter((reader) => !isUpgraded(reader)).map(nextUpgrade));
  };
  const cutAll = async () => {
    await waitForUpgrades();
    proxy.cut();
    await forAll((reader) => reader.waitForConnected(false));
  };

  for (const _ of range(1, 3)) {
    await cutAll();
    await load.waitForMore(10);
    proxy.restore();
    await waitForAll();
  }
  assert(readers.every(({ connections }) => connections.slice(1).every(Boolean)), 'every client must be recovered after a cut');

  for (const method of ['kill', 'stop', 'kill']) {
    await load.waitForMore(10);
    await waitForUpgrades();
    await service[method]();
    // One more client starts while the service is not running.
    if (readers.length < 4) readers.push(new Reader(cem, { id }, { url: proxy.url }));
    await service.restart();
    await load.waitForMore(10);
    await waitForAll();
  }
  assert(readers.every(({ connections }) => !connections.at(-1)), 'no client must be recovered after a kill');

  // The journal is trimmed beyond the last event of the disconnected clients.
  await cutAll();
  await load.waitForMore(40);
  await load.pause();
  await history.readNewEvents();
  await service.stop();
  service.settings = { VAULTCAST__JOURNAL__RETAIN_EVENTS: '20' };
  await service.restart();
  // No event announces the end of the trim.
  const newest = Math.max(...readers.map(({ replica }) => replica.seq));
  while ((await ana.get(`/api/vaults/${id}/events?since=${newest}`)).status === 200) await pause(20);
  load.resume();
  proxy.restore();
  await load.waitForMore(10);
  await waitForAll();
  assert(readers.every(({ resyncs }) => resyncs === 1), 'every client must list again once');

  // A backup is restored, and the same sequence numbers now belong to other events.
  await waitForUpgrades();
  await load.pause();
  const backupHead = await history.readNewEvents();
  await service.stop();
  await service.database.backUp();
  service.settings = {};
  await service.restart();
  load.resume();
  await load.waitForMore(20);
  await waitForAll();
  await cutAll();
  await load.pause();
  await history.readNewEvents();
  await service.stop();
  await service.database.restore();
  const epoch = (await service.run('epoch', 'renew')).trim();
  await service.restart();
  history.startEpoch(epoch, backupHead);
  load.resume();
  await load.waitForMore(40);
  proxy.restore();
  await waitForAll();
  assert(readers.every(({ resyncs }) => resyncs === 2), 'every client must list again once');

  await load.waitForMore(20);
  await load.stop();
  const head = await history.readNewEvents();
  await forAll((reader) => reader.waitForState(head, epoch));
  for (const reader of readers) {
    reader.assertMatchesHistory(history);
    assert.deepEqual(reader.replica.sources, await listSources(ana, { id }));
  }
});

/** Whether a connected client uses WebSocket, or cannot upgrade to it. */
function isUpgraded({ socket: { io } }) {
  return io.engine.transport.name === 'websocket' || !io.engine.transports.includes('websocket');
}

/** Resolves when a client upgrades its transport. */
function nextUpgrade({ socket: { io } }) {
  return new Promise((resolve) => io.engine.once('upgrade', resolve));
}
