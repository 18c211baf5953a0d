// The service of the cut tests: a vault, one proxy for each client, an observer that is not cut, and a member list that changes.

import assert from 'node:assert/strict';
import { connect } from 'vaultcast-client';
import { CuttingProxy } from '../../tests/e2e/cutting-proxy.mjs';
import { DEFAULT_TIMEOUT, Observable } from '../../tests/e2e/observable.mjs';
import { TestServer } from '../../tests/e2e/test-server.mjs';
import { TestUser } from '../../tests/e2e/test-user.mjs';
import { digest } from './cut-clients.mjs';

export const CUTS = 200;

/** Two readers and four clients with two writers each. */
export const CLIENTS = [
  { name: 'reader', writers: 0, transports: ['polling', 'websocket'] },
  { name: 'websocket reader', writers: 0, transports: ['websocket'] },
  { name: 'a', writers: 2, transports: ['polling', 'websocket'] },
  { name: 'b', writers: 2, transports: ['polling'] },
  { name: 'c', writers: 2, transports: ['websocket'] },
  { name: 'd', writers: 2, transports: ['polling', 'websocket'] },
];

/** The kinds of cuts. A cut may hit a client at any moment, even during its reconnect after the previous cut. */
const CUT_KINDS = [
  (proxy) => proxy.cut(),
  // The service keeps its side of the connection open.
  (proxy) => proxy.makeHalfOpen(),
  // The client receives nothing for a while before the connection breaks; answers to mutations are lost.
  async (proxy, waitForMore) => {
    proxy.discardServerData();
    await waitForMore(5);
    proxy.cut();
  },
];

export class CutService extends Observable {
  proxies = [];
  #isConnected = CLIENTS.map(() => false);
  #isRunning = true;

  static async start(settings = {}) {
    const service = new CutService();
    // A client that is cut during its upgrade notices only when the heartbeat fails, so the heartbeat is short.
    const heartbeat = { VAULTCAST__SOCKETIO__PING_INTERVAL: '1s', VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s' };
    service.server = await TestServer.start('serve', { ...heartbeat, ...settings });
    service.owner = new TestUser(service.server, 'ana', 'Ana', 'ana@example.com');
    service.vaultId = (await service.owner.post('/api/vaults', { name: 'Shared' })).expectStatus(201).body.id;
    for (const _ of CLIENTS) service.proxies.push(await CuttingProxy.start(service.server));
    service.observer = connect({ url: service.server.url, auth: service.owner.token() });
    service.vault = service.observer.vault(service.vaultId);
    service.vault.subscribe(() => {});
    await service.vault.waitForSeq(0);
    return service;
  }

  /** The options of a client. Its reconnects are quick, and what may not have arrived is repeated soon. */
  optionsOf(number) {
    const { name, writers, transports } = CLIENTS[number];
    const socket = { transports, timeout: 3000, reconnectionDelay: 10, reconnectionDelayMax: 100 };
    return { name, writers, vaultId: this.vaultId, url: this.proxies[number].url, auth: this.owner.token(), retryDelay: 20, pageSize: 10, socket };
  }

  /** Notices that a client has connected, or was disconnected. */
  setConnected(number, isConnected) {
    this.#isConnected[number] = isConnected;
    this.notify();
  }

  #waitForConnected(number) {
    return this.waitFor(() => this.#isConnected[number] || undefined, () => `${CLIENTS[number].name} is not connected`, 3 * DEFAULT_TIMEOUT);
  }

  #waitForMore = (count) => this.vault.waitForSeq(this.vault.getSnapshot().seq + count);

  /** Cuts the connections of all clients at the same time, 200 times in all. */
  async cutAll() {
    await Promise.all(this.proxies.map((proxy, number) => this.#cutRepeatedly(proxy, number)));
  }

  async #cutRepeatedly(proxy, number) {
    const cuts = Math.ceil((CUTS - number) / CLIENTS.length);
    for (let cut = 0; cut < cuts; cut += 1) {
      await this.#waitForMore((7 * cut + number) % 12);
      if (cut % 2) await this.#waitForConnected(number);
      await proxy.waitForConnection();
      await CUT_KINDS[(cut + number) % CUT_KINDS.length](proxy, this.#waitForMore);
      proxy.restore();
    }
  }

  /** Adds, changes and removes members until `stop`. */
  async changeMembers() {
    const path = `/api/vaults/${this.vaultId}/members`;
    for (let number = 0; this.#isRunning; number += 1) {
      const userId = `guest${number}`;
      (await this.owner.post(path, { userId, role: 'viewer' })).expectStatus(201);
      await this.#waitForMore(3);
      (await this.owner.patch(`${path}/${userId}`, { role: 'contributor' })).expectStatus(200);
      await this.#waitForMore(3);
      if (number % 4) (await this.owner.delete(`${path}/${userId}`)).expectStatus(204);
    }
  }

  stop() {
    this.#isRunning = false;
  }

  /** The number of the last event. */
  async head() {
    return (await this.owner.get(`/api/vaults/${this.vaultId}`)).expectStatus(200).body.seq;
  }

  /** The lists of the service. */
  async lists() {
    const [sources, members] = await Promise.all(['sources', 'members'].map((list) => this.#listAll(list)));
    return { sources, members: members.map(({ userId, userName, role }) => ({ userId, userName, role })) };
  }

  async #listAll(list) {
    const { body } = (await this.owner.get(`/api/vaults/${this.vaultId}/${list}?limit=500`)).expectStatus(200);
    assert.equal(body.nextCursor, undefined);
    return body[list];
  }

  /** Asserts that what a client recorded agrees with the journal. */
  async assertMatchesJournal(record) {
    const { states, created } = await this.#readJournal();
    assert.deepEqual(record.problems, [], record.name);
    let last = -1;
    for (const { seq, digest: published } of record.published) {
      assert(seq > last, `${record.name} published ${seq} after ${last}`);
      last = seq;
      assert.equal(published, digest(states[seq]), `the state that ${record.name} published at ${seq}`);
    }
    record.applied.forEach((seq, index) => assert(index === 0 || seq > record.applied[index - 1], `${record.name}: event ${seq} was emitted again`));
    for (const title of record.created) assert.equal(created.get(title), 1, `${title} was created ${created.get(title)} times`);
  }

  /** Reads the journal and returns the state after each event, and how often each title was created. */
  async #readJournal() {
    const members = [{ userId: this.owner.id, userName: this.owner.name, role: 'owner' }];
    const states = [{ name: 'Shared', sources: [], members }];
    const created = new Map();
    for (;;) {
      const { body } = (await this.owner.get(`/api/vaults/${this.vaultId}/events?since=${states.length - 1}&limit=500`)).expectStatus(200);
      if (body.events.length === 0) return { states, created };
      for (const { event, payload } of body.events) {
        states.push(stateAfter(states.at(-1), event, payload));
        if (event === 'source:created') created.set(payload.source.title, (created.get(payload.source.title) ?? 0) + 1);
      }
    }
  }

  async close() {
    this.stop();
    this.observer.close();
    for (const proxy of this.proxies) await proxy.close();
    await this.server.dispose();
  }
}

function stateAfter({ name, sources, members }, event, { source, sourceId, member }) {
  const replace = (rows, isSame, change) => rows.flatMap((row) => (isSame(row) ? change(row) : [row]));
  const isMember = ({ userId }) => userId === member.userId;
  switch (event) {
    case 'source:created':
      return { name, members, sources: [{ ...source, updatedAt: source.createdAt }, ...sources] };
    case 'source:updated':
      return { name, members, sources: replace(sources, ({ id }) => id === source.id, ({ createdAt }) => [{ ...source, createdAt }]) };
    case 'source:deleted':
      return { name, members, sources: replace(sources, ({ id }) => id === sourceId, () => []) };
    case 'member:added':
      return { name, sources, members: [...members, member] };
    case 'member:updated':
      return { name, sources, members: replace(members, isMember, () => [member]) };
    case 'member:removed':
      return { name, sources, members: replace(members, isMember, () => []) };
    default:
      assert.fail(event);
  }
}
