// The official clients of Socket.IO 2, with `socketio.allow_eio3`: the checklist of the contract as far as the protocol matters, on
// each transport.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import io21 from 'socket.io-client-2.1';
import io25 from 'socket.io-client-2.5';
import { CuttingProxy } from './cutting-proxy.mjs';
import { PAPER, range } from './fixtures.mjs';
import { Observable } from './observable.mjs';
import { httpApi } from './source-api.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const CLIENTS = { 'socket.io-client 2.1': io21, 'socket.io-client 2.5': io25 };
const TRANSPORTS = {
  'default settings': {},
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
};
const RECORDED = [
  'connect', 'disconnect', 'error', 'reconnect_attempt', 'reconnect', 'vault:joined', 'source:created', 'source:updated',
  'source:deleted', 'member:added', 'member:removed',
];

let service;
before(async () => {
  service = await TestServer.start('serve', { VAULTCAST__SOCKETIO__ALLOW_EIO3: 'true' });
});
after(() => service?.dispose());

/** A client of Socket.IO 2 that records its events with all of their arguments. */
class OldClient extends Observable {
  log = [];
  #consumed = new Set();

  constructor(io, url, options) {
    super();
    this.socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    for (const event of RECORDED) {
      this.socket.on(event, (...args) => {
        this.log.push({ event, args });
        this.notify();
      });
    }
  }

  /** Resolves with the arguments of the next `event` that no earlier call has returned. */
  async next(event) {
    const check = () => this.log.find((entry) => entry.event === event && !this.#consumed.has(entry));
    const entry = await this.waitFor(check, () => `no ${event}; ${JSON.stringify(this.log)}`);
    this.#consumed.add(entry);
    return entry.args;
  }

  /** Emits an event and resolves with its acknowledgement. */
  request(event, ...args) {
    return new Promise((resolve) => this.socket.emit(event, ...args, resolve));
  }

  async join(vault, options) {
    this.socket.emit('vault:join', options ? { vaultId: vault.id, ...options } : vault.id);
    const args = await this.next('vault:joined');
    assert.equal(args.length, 1, 'an event has no offset');
    return args[0];
  }

  /** The events of vaults in the order received. */
  get sourceEvents() {
    return this.log.filter(({ event }) => event.startsWith('source:'));
  }
}

let users = 0;

/** Runs a test with each client over each transport. */
function testEachClient(title, run) {
  for (const [client, io] of Object.entries(CLIENTS)) {
    for (const [transport, options] of Object.entries(TRANSPORTS)) {
      test(`${title} (${client}, ${transport})`, { timeout: 180_000 }, async () => {
        const opened = [];
        const number = ++users;
        const newUser = (name) => new TestUser(service, `${name}-2-${number}`, name, `${name}-2-${number}@example.com`);
        const open = (url, more) => {
          const socket = new OldClient(io, url, { ...options, ...more });
          opened.push(socket);
          return socket;
        };
        const headersOf = (user) => {
          const headers = { authorization: `Bearer ${user.token()}` };
          return { extraHeaders: headers, transportOptions: { polling: { extraHeaders: headers }, websocket: { extraHeaders: headers } } };
        };
        const connect = async (user, url = service.url) => {
          const socket = open(url, headersOf(user));
          await socket.next('connect');
          return socket;
        };
        const newVault = async (owner, members = {}) => {
          const { body } = (await owner.post('/api/vaults', { name: 'a vault' })).expectStatus(201);
          for (const [role, invited] of Object.entries(members)) {
            for (const { id: userId } of invited) (await owner.post(`/api/vaults/${body.id}/members`, { userId, role })).expectStatus(201);
          }
          return body;
        };
        try {
          await run({ open, connect, newUser, newVault, options });
        } finally {
          for (const socket of opened) socket.socket.close();
        }
      });
    }
  }
}

testEachClient('members join, and receive every event with one argument', async ({ connect, newUser, newVault }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const vault = await newVault(ana, { viewer: [ben] });
  const clients = [await connect(ana), await connect(ben)];
  for (const client of clients) await client.join(vault);
  const api = httpApi(ana);
  const { source } = await api.create(vault, PAPER);
  await api.update(source, { title: 'Another title €😀' });
  await api.remove(source);
  for (const client of clients) {
    const [created, ...offsets] = await client.next('source:created');
    assert.deepEqual([created.source.id, created.actor.userId, offsets], [source.id, ana.id, []]);
    assert.equal((await client.next('source:updated'))[0].source.title, 'Another title €😀');
    assert.equal((await client.next('source:deleted'))[0].sourceId, source.id);
  }
});

testEachClient('events of a client are acknowledged, and refusals are reported', async ({ connect, newUser, newVault }) => {
  const [ana, zoe] = [newUser('ana'), newUser('zoe')];
  const vault = await newVault(ana);
  const client = await connect(ana);
  assert.equal((await client.request('vault:join', vault.id)).ok, true);
  const created = await client.request('source:created', { vaultId: vault.id, source: PAPER });
  assert.equal(created.ok, true, JSON.stringify(created));
  assert.equal((await client.next('source:created'))[0].seq, created.seq);

  const outside = await connect(zoe);
  outside.socket.emit('vault:join', vault.id);
  const [error] = await outside.next('error');
  assert.deepEqual([error.message, error.code], ['Access denied to vault', 'ACCESS_DENIED']);
  const binary = await outside.request('vault:join', Buffer.from([1, 2, 3]));
  assert.equal(binary.error.code, 'INVALID_VAULT_ID');
});

testEachClient('a client without a session is refused by an error', async ({ open, newUser }) => {
  const [error] = await open(service.url).next('error');
  assert.deepEqual([error.message, error.code], ['UNAUTHORIZED', 'UNAUTHORIZED']);
  const query = { token: newUser('ana').token() };
  const [ignored] = await open(service.url, { query }).next('error');
  assert.equal(ignored.code, 'UNAUTHORIZED', 'a token in the query is not read');
});

testEachClient('a client reconnects after a cut, joins again and receives what it missed', async ({ connect, newUser, newVault, options }) => {
  const ana = newUser('ana');
  const vault = await newVault(ana);
  const proxy = await CuttingProxy.start(service);
  try {
    const client = await connect(ana, proxy.url);
    const upgraded = () => options.transports || client.socket.io.engine.transport.name === 'websocket' || undefined;
    client.socket.io.engine.on('upgrade', () => client.notify());
    await client.waitFor(upgraded, () => 'not upgraded');
    const { seq, epoch } = await client.join(vault);
    proxy.cut();
    assert.match((await client.next('disconnect'))[0], /^transport (close|error)$/);
    for (const title of ['a', 'b', 'c']) await httpApi(ana).create(vault, { ...PAPER, title });
    await client.next('reconnect_attempt');
    proxy.restore();
    await client.next('reconnect');
    const joined = await client.join(vault, { since: seq, epoch });
    assert.equal(joined.replayed, 3);
    for (const expected of range(seq + 1, seq + 3)) assert.equal((await client.next('source:created'))[0].seq, expected);
  } finally {
    await proxy.close();
  }
});

testEachClient('clients of Socket.IO 2 and 4 receive the same events in the same order', async ({ connect, newUser, newVault, options }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const vault = await newVault(ana, { contributor: [ben] });
  const old = await connect(ana);
  const current = new TestClient(service.url, { ...options, auth: { token: ben.token() } });
  try {
    await current.nextEvent('connect');
    await old.join(vault);
    const { seq } = await current.join(vault);
    const writes = [ana, ben].flatMap((user) => range(1, 20).map((n) => httpApi(user).create(vault, { ...PAPER, title: `${user.name} ${n}` })));
    await Promise.all(writes);
    const last = seq + writes.length;
    await current.waitForSeq(vault, last);
    await old.waitFor(() => old.sourceEvents.length >= writes.length || undefined, () => `${old.sourceEvents.length} events`);
    const received = old.sourceEvents.map(({ event, args: [payload] }) => ({ event, payload, seq: payload.seq }));
    assert.deepEqual(received, current.eventsOf(vault));
    assert.deepEqual(received.map((event) => event.seq), range(seq + 1, last));
  } finally {
    current.close();
  }
});

testEachClient('a client leaves by a disconnect and is not seen any more', async ({ connect, newUser, newVault }) => {
  const ana = newUser('ana');
  const vault = await newVault(ana);
  const client = await connect(ana);
  await client.join(vault);
  client.socket.disconnect();
  assert.equal((await client.next('disconnect'))[0], 'io client disconnect');
  client.socket.connect();
  await client.next('connect');
  await client.join(vault);
});
