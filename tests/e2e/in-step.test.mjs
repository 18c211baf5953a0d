// The client in TypeScript: what it shows is at every moment what the vault's events up to its number make.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { byHttp } from './doors.mjs';
import { compiled } from './example.mjs';
import { Gardeners } from './gardeners.mjs';
import { PAPER, range, story } from './harness.mjs';
import { Person } from './person.mjs';
import { Proxy } from './proxy.mjs';
import { Service } from './service.mjs';
import { Watched } from './waiting.mjs';

let InStep;
before(async () => {
  ({ InStep } = await compiled());
});

/** A client of somebody's, and all that it ever showed. */
class Reader extends Watched {
  /** `{ epoch, seq, sources }`, oldest first. */
  shown = [];
  /** Whether it was recovered, of each of its connections. */
  lives = [];
  /** How often it was told to list anew. */
  resyncs = 0;

  constructor(person, vault, { url = person.service.url, pageSize = 4, ...options } = {}) {
    super();
    this.copy = new InStep({
      url,
      vault: vault.id,
      token: () => person.token(),
      pause: 50,
      pageSize,
      socket: { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options },
      changed: ({ epoch, seq, sources }) => {
        this.shown.push({ epoch, seq, sources: structuredClone(sources) });
        this.changed();
      },
      ended: (why) => {
        this.ended = why;
        this.changed();
      },
    });
    this.socket = this.copy.socket;
    this.socket.on('connect', () => this.lives.push(Boolean(this.socket.recovered)));
    this.socket.on('vault:joined', ({ resync }) => (this.resyncs += resync ? 1 : 0));
    for (const event of ['connect', 'disconnect']) this.socket.on(event, () => this.changed());
  }

  /** Waits until its client knows that it is connected, or is not. */
  async is(connected) {
    await this.until(() => (this.socket.connected === connected ? true : undefined), () => `connected: ${!connected}`, 30_000);
  }

  /** Waits until it shows the vault as it was after this event, of the history called so if one is named. */
  async shows(seq, epoch) {
    const isOfIt = () => epoch === undefined || this.copy.epoch === epoch;
    const look = () => (isOfIt() && this.copy.seq >= seq ? true : undefined);
    await this.until(look, () => `it shows ${this.copy.seq} of ${this.copy.epoch}, not ${seq} of ${epoch}`, 30_000);
  }

  /** Its number only grew, and whatever it showed was so. */
  agreesWith(history) {
    const last = {};
    for (const { epoch, seq, sources } of this.shown) {
      assert(seq > (last[epoch] ?? -1), `it showed ${seq} after ${last[epoch]}`);
      last[epoch] = seq;
      assert.deepEqual(sources, history.made(epoch, seq), `what it showed at ${seq} of ${epoch}`);
    }
  }
}

/** All that happened in a vault, read from its journal before it is trimmed. */
class History {
  #events = new Map();
  #made = new Map();

  constructor(person, vault) {
    Object.assign(this, { person, vault });
  }

  /** Reads what is new; the number of the newest. */
  async read() {
    for (;;) {
      const known = this.#events.get(this.epoch) ?? [];
      const { body } = (await this.person.get(`/api/vaults/${this.vault.id}/events?since=${known.length}&limit=500`)).is(200);
      if (this.epoch === undefined) this.#events.set((this.epoch = body.epoch), known);
      assert.equal(body.epoch, this.epoch);
      known.push(...body.events);
      if (body.events.length === 0) return known.length;
    }
  }

  /** From here on it is another history, with the same beginning. */
  begins(epoch, after) {
    this.#events.set(epoch, this.#events.get(this.epoch).slice(0, after));
    this.epoch = epoch;
  }

  /** The sources as the events up to a number make them. */
  made(epoch, seq) {
    if (!this.#made.has(epoch)) {
      const states = [new Map()];
      for (const { event, payload } of this.#events.get(epoch)) states.push(follow(states.at(-1), event, payload));
      this.#made.set(epoch, states);
    }
    return this.#made.get(epoch)[seq];
  }
}

/** The sources after one more event. */
function follow(sources, event, { source, sourceId }) {
  const made = new Map(sources);
  if (event === 'source:created') made.set(source.id, { ...source, updatedAt: source.createdAt });
  if (event === 'source:updated') made.set(source.id, { ...source, createdAt: made.get(source.id).createdAt });
  if (event === 'source:deleted') made.delete(sourceId);
  return made;
}

/** The vault's sources by id, as the service lists them in one page. */
async function listed(person, vault) {
  const { sources } = (await person.get(`/api/vaults/${vault.id}/sources?limit=500`)).is(200).body;
  return new Map(sources.map((source) => [source.id, source]));
}

/** Has something done after each page that is listed, before the next one is asked for. */
async function afterEachPage(acts, tell) {
  const { fetch } = globalThis;
  const left = [...acts];
  globalThis.fetch = async (address, ...more) => {
    const answer = await fetch(address, ...more);
    if (/\/sources\?limit=/.test(address)) await left.shift()?.();
    return answer;
  };
  try {
    await tell();
  } finally {
    globalThis.fetch = fetch;
  }
  assert.equal(left.length, 0, `${left.length} pages were not asked for`);
}

story('whatever happens between two pages, what is shown is what the events make', async ({ user, vault, transport }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const shared = await vault(ana, { viewer: [cem] });
  const door = byHttp(ana);
  const sources = [];
  const titled = (title) => ({ ...PAPER, title, fileKey: title });
  for (const n of range(1, 8)) sources[n] = (await door.create(shared, titled(`source ${n}`))).source;
  const change = (n, title) => door.update(sources[n], { title, fileKey: null });
  const remove = (n) => door.remove(sources[n]);

  let reader;
  const listing = [
    // 8 and 7 are listed.
    async () => {
      for (const n of [8, 6, 4, 2]) await change(n, 'between 1 and 2');
      for (const title of ['once', 'twice', 'three times']) await change(1, title);
      for (const n of [7, 5]) await remove(n);
      await change(3, 'and gone');
      await remove(3);
      sources[9] = (await door.create(shared, titled('source 9'))).source;
      await door.remove((await door.create(shared, titled('short-lived'))).source);
    },
    // 6 and 4 are.
    async () => {
      for (const n of [9, 6, 2]) await change(n, 'between 2 and 3');
      await remove(4);
      sources[10] = (await door.create(shared, titled('source 10'))).source;
      assert.deepEqual(reader.shown, []);
    },
    // So is everything else, and it is not joined yet.
    async () => {
      await change(1, 'after the last');
      await remove(9);
    },
  ];
  try {
    let head;
    await afterEachPage(listing, async () => {
      reader = new Reader(cem, shared, { pageSize: 2, ...transport });
      await reader.until(() => (reader.shown.length > 0 ? true : undefined), () => 'nothing is shown');
      head = (await change(2, 'the last word')).seq;
      await reader.copy.reached(head);
    });
    const history = new History(ana, shared);
    assert.equal(await history.read(), head);
    reader.agreesWith(history);
    assert.deepEqual(reader.copy.sources, await listed(cem, shared));
  } finally {
    reader?.copy.close();
  }
});

story("one's own change is in step when its number is reached, and nothing counts twice", async ({ user, vault, transport }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const reader = new Reader(ana, shared, transport);
  try {
    await reader.is(true);
    for (const n of range(1, 10)) {
      const { source, seq } = await reader.socket.emitWithAck('source:created', { vaultId: shared.id, source: { ...PAPER, title: `${n}` } });
      await reader.copy.reached(seq);
      assert.deepEqual(reader.copy.sources.get(source.id), source);
      // Whoever else joins on this socket has everything told once more.
      await reader.socket.emitWithAck('vault:join', { vaultId: shared.id, since: 0, epoch: reader.copy.epoch });
    }
    const history = new History(ana, shared);
    await history.read();
    reader.agreesWith(history);
  } finally {
    reader.copy.close();
  }
});

story('who is not let in, is removed, or whose vault is deleted is told that it is over', async ({ user, vault, transport }) => {
  const [ana, cem, dan] = [user('ana'), user('cem'), user('dan')];
  const shared = await vault(ana, { viewer: [cem] });
  const readers = [ana, cem, dan].map((person) => new Reader(person, shared, transport));
  const over = (reader, why) => reader.until(() => (reader.ended === why ? true : undefined), () => `it ended with ${reader.ended}, not ${why}`);
  try {
    const [owner, removed, stranger] = readers;
    await over(stranger, 'ACCESS_DENIED');
    const waits = assert.rejects(removed.copy.reached(100), /ACCESS_DENIED/);
    await removed.shows(1);
    (await ana.delete(`/api/vaults/${shared.id}/members/${cem.id}`)).is(204);
    await over(removed, 'ACCESS_DENIED');
    await waits;
    await owner.shows(2);
    (await ana.delete(`/api/vaults/${shared.id}`)).is(204);
    await over(owner, 'vault:deleted');
    assert.deepEqual([owner.copy.seq, owner.copy.sources.size], [3, 0]);
  } finally {
    for (const { copy } of readers) copy.close();
  }
});

let service, proxy, gardeners;
const readers = [];
after(async () => {
  for (const { copy } of readers) copy.close();
  await gardeners?.stop();
  await proxy?.close();
  await service?.dispose();
});

test('over cuts, restarts, kills, a trimmed journal and another history, readers show nothing that was not so', { timeout: 120_000 }, async () => {
  service = await Service.start();
  const [ana, cem] = ['ana', 'cem'].map((id) => new Person(service, id, id, `${id}@example.com`));
  const { id } = (await ana.post('/api/vaults', { name: 'The garden' })).is(201).body;
  (await ana.post(`/api/vaults/${id}/members`, { userId: cem.id, role: 'viewer' })).is(201);
  const history = new History(ana, { id });
  gardeners = new Gardeners(ana, { id });
  await gardeners.more(30);

  proxy = await Proxy.inFrontOf(service);
  for (const transports of [['polling', 'websocket'], ['polling'], ['websocket']]) {
    readers.push(new Reader(cem, { id }, { url: proxy.url, transports }));
  }
  const everybody = (act) => Promise.all(readers.map(act));
  const comeBack = async () => {
    await everybody((reader) => reader.is(true));
    await everybody((reader) => reader.shows(gardeners.seq, history.epoch));
  };
  await history.read();
  await comeBack();
  const cutOff = async () => {
    proxy.cut();
    await everybody((reader) => reader.is(false));
  };

  for (const _ of range(1, 3)) {
    await everybody(({ socket }) => settled(socket));
    await cutOff();
    await gardeners.more(10);
    proxy.mend();
    await comeBack();
  }
  assert(readers.every(({ lives }) => lives.slice(1).every(Boolean)), 'after a cut they are who they were');

  for (const end of ['kill', 'stop', 'kill']) {
    await gardeners.more(10);
    await service[end]();
    // One begins while there is nothing to list.
    if (readers.length < 4) readers.push(new Reader(cem, { id }, { url: proxy.url }));
    await service.resume();
    await gardeners.more(10);
    await comeBack();
  }
  assert(readers.every(({ lives }) => !lives.at(-1)), 'after a kill they are not');

  // They are away for longer than the journal goes back.
  await cutOff();
  await gardeners.more(40);
  await gardeners.rest();
  await history.read();
  await service.stop();
  service.settings = { VAULTCAST__JOURNAL__RETAIN_EVENTS: '20' };
  await service.resume();
  // Nothing announces that it was trimmed.
  const newest = Math.max(...readers.map(({ copy }) => copy.seq));
  while ((await ana.get(`/api/vaults/${id}/events?since=${newest}`)).status === 200) await pause(20);
  gardeners.go();
  proxy.mend();
  await gardeners.more(10);
  await comeBack();
  assert(readers.every(({ resyncs }) => resyncs === 1), 'they listed anew');

  // What they know is not what was: a backup is put back, and the same numbers stand for something else.
  await gardeners.rest();
  const kept = await history.read();
  await service.stop();
  await service.database.backUp();
  service.settings = {};
  await service.resume();
  gardeners.go();
  await gardeners.more(20);
  await comeBack();
  await cutOff();
  await gardeners.rest();
  await history.read();
  await service.stop();
  await service.database.putBack();
  const epoch = (await service.run('epoch', 'renew')).trim();
  await service.resume();
  history.begins(epoch, kept);
  gardeners.go();
  await gardeners.more(40);
  proxy.mend();
  await comeBack();
  assert(readers.every(({ resyncs }) => resyncs === 2), 'they listed anew');

  await gardeners.more(20);
  await gardeners.stop();
  const head = await history.read();
  await everybody((reader) => reader.shows(head, epoch));
  for (const reader of readers) {
    reader.agreesWith(history);
    assert.deepEqual(reader.copy.sources, await listed(ana, { id }));
  }
});

/** Resolves when a client is not in the middle of its upgrade: cut off there, it does not notice before its heartbeat fails. */
async function settled({ io: { engine } }) {
  if (engine.upgrading) await new Promise((resolve) => engine.once('upgrade', resolve));
}
