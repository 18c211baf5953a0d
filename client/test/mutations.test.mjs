// The user's own changes of one vault, with answers and events in the order that each test chooses.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SyncedVault } from '../dist/vault.js';

const USER = 'ana';
const PAPER = { title: 'A paper', fileUrl: 'https://files.example.com/paper.pdf' };

/** A subscribed vault whose requests wait for an answer of the test. */
class ControlledVault {
  requests = [];
  #waiting = [];

  constructor() {
    const send = (method, path, body) => new Promise((resolve) => {
      this.requests.push({ method, path, body: body && { ...body }, answer: (source, seq) => resolve({ body: source, seq }) });
      this.#waiting.shift()?.();
    });
    const http = { send, list: () => new Promise(() => {}) };
    const link = { http, state: 'connected', options: { retryDelay: 1, retryFor: 0 }, emit() {}, retain() {}, release() {}, refused() {} };
    this.vault = new SyncedVault('v', link);
    this.vault.subscribe(() => {});
    this.vault.handle({ type: 'connected', recovered: false });
  }

  /** Resolves with the request of this number, from 0. */
  async request(number) {
    while (this.requests.length <= number) await new Promise((resolve) => this.#waiting.push(resolve));
    return this.requests[number];
  }

  /** The vault is listed at event `seq`, and joined. */
  list(seq, sources = []) {
    const members = [{ userId: USER, userName: 'Ana', role: 'owner' }];
    this.vault.handle({ type: 'listed', state: { seq, epoch: 'e', name: 'Papers', sources, members }, consistentAt: seq });
    this.vault.handle({ type: 'joined', joined: { vaultId: 'v', role: 'owner', userId: USER, seq, epoch: 'e' } });
  }

  receive(name, seq, payload) {
    this.vault.handle({ type: 'event', event: { name, payload: { ...payload, vaultId: 'v', actor: { userId: USER }, seq } } });
  }

  get sources() {
    return this.vault.getSnapshot().sources;
  }
}

const stored = (id, fields = {}) => ({ ...PAPER, mimeType: 'application/pdf', id, vaultId: 'v', createdAt: 'then', updatedAt: 'then', ...fields });

test('a copy of a source is a new source, and the original stays what its id names', async () => {
  const controlled = new ControlledVault();
  const original = stored('c1');
  controlled.list(1, [original]);
  void controlled.vault.create({ ...original, title: 'copy' });
  const ids = controlled.sources.map(({ id }) => id);
  assert.equal(new Set(ids).size, 2, `${ids}`);
  void controlled.vault.remove('c1');
  assert.deepEqual(controlled.sources.map(({ title }) => title), ['copy']);
  assert.equal((await controlled.request(1)).path, '/api/sources/c1');
});

test('a media type is shown as the service stores it: trimmed, and application/pdf when it is empty or null', () => {
  for (const [mimeType, expected] of [['', 'application/pdf'], [' ', 'application/pdf'], [null, 'application/pdf'], [' text/plain ', 'text/plain']]) {
    const controlled = new ControlledVault();
    controlled.list(0);
    void controlled.vault.create({ ...PAPER, mimeType });
    assert.equal(controlled.sources[0].mimeType, expected, `created with "${mimeType}"`);
    controlled.receive('source:created', 1, { source: stored('c1', { mimeType: expected, updatedAt: undefined }) });
    assert.deepEqual(controlled.sources.map(({ id }) => id), ['c1'], `"${mimeType}" is shown once before its answer`);
    void controlled.vault.update('c1', { mimeType });
    assert.equal(controlled.sources[0].mimeType, expected, `updated with "${mimeType}"`);
  }
});

test('changes of one source are sent in the order of the calls, also when the event of its creation precedes the answer', async () => {
  const controlled = new ControlledVault();
  controlled.list(0);
  void controlled.vault.create(PAPER);
  void controlled.vault.update(controlled.sources[0].id, { title: 'first' });
  controlled.receive('source:created', 1, { source: stored('c1', { updatedAt: undefined }) });
  void controlled.vault.update('c1', { title: 'second' });
  assert.equal(controlled.sources[0].title, 'second');
  (await controlled.request(0)).answer(stored('c1'), 1);
  (await controlled.request(1)).answer(stored('c1', { title: 'first' }), 2);
  await controlled.request(2);
  assert.deepEqual(controlled.requests.map(({ body }) => body.title), ['A paper', 'first', 'second']);
});

test('a change that is answered while the vault is loading is shown until its event is included', async () => {
  const controlled = new ControlledVault();
  const created = controlled.vault.create(PAPER);
  (await controlled.request(0)).answer(stored('c1'), 1);
  await created;
  const shown = [];
  controlled.vault.subscribe(() => shown.push(controlled.sources.map(({ id }) => id)));
  controlled.list(0); // listed before the source was created
  controlled.receive('source:created', 1, { source: stored('c1', { updatedAt: undefined }) });
  assert.deepEqual(controlled.vault.getSnapshot().pending, []);
  assert(shown.length > 0 && shown.every((ids) => ids.join() === 'c1'), JSON.stringify(shown));
});

test('a change is what its fields were at the call', async () => {
  const controlled = new ControlledVault();
  controlled.list(1, [stored('c1')]);
  const changes = { title: 'first' };
  void controlled.vault.update('c1', changes);
  changes.title = 'second';
  void controlled.vault.update('c1', changes);
  changes.title = 'third';
  assert.equal(controlled.sources[0].title, 'second');
  (await controlled.request(0)).answer(stored('c1', { title: 'first' }), 2);
  assert.equal((await controlled.request(1)).body.title, 'second');
});

test('a snapshot without changes stays the same object', () => {
  const controlled = new ControlledVault();
  controlled.list(0);
  const snapshot = controlled.vault.getSnapshot();
  controlled.vault.refresh();
  assert.equal(controlled.vault.getSnapshot(), snapshot);
  const link = { http: {}, state: 'connecting', options: {} };
  const unused = new SyncedVault('v', link);
  unused.refresh();
  const first = unused.getSnapshot();
  unused.refresh();
  assert.equal(unused.getSnapshot(), first, 'nor without subscribers');
});

test('a list of a snapshot cannot be changed in place', () => {
  const controlled = new ControlledVault();
  const lists = () => ['sources', 'members', 'pending'].map((field) => controlled.vault.getSnapshot()[field]);
  for (const list of lists()) assert.throws(() => list.push({}), TypeError, 'while loading');
  controlled.list(1, [stored('c1')]);
  for (const list of lists()) assert.throws(() => list.push({}), TypeError);
  void controlled.vault.create(PAPER);
  for (const list of lists()) assert.throws(() => list.push({}), TypeError, 'with a pending change');
});
