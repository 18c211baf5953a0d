// A client that follows vaults as an application does. It joins each vault once and relies on connection state recovery; after a
// connection that was not recovered, it joins again with `since`. It applies each event once: the official client may emit events
// again that it has emitted before (see repeated-events.test.mjs).

import assert from 'node:assert/strict';
import { DEFAULT_TIMEOUT } from './observable.mjs';
import { TestClient } from './test-client.mjs';

/** The time before a join is sent again that was refused during an outage, in milliseconds. */
const RETRY_DELAY = 200;

export class ResumingClient extends TestClient {
  /** The identity `{ id, pid, recovered }` of each connection. */
  connections = [];
  /** The payloads of `vault:joined` that announced a replay, and of those that announced a resync. */
  resumes = [];
  resyncs = [];
  /** The events that the official client emitted again, oldest first. */
  repeatedEvents = [];
  /** The events that the client applied, oldest first, by vault id. */
  #applied;
  /** `{ seq, epoch }` after which the client follows each vault, by vault id. */
  #start;
  /** The ids of the vaults whose join has not been confirmed. */
  #pendingJoins = new Set();

  /** `start` gives `{ seq, epoch }` by vault id for vaults that the client has listed; it follows others from their first join. */
  constructor(url, vaults, options, start = []) {
    super(url, options);
    this.vaults = vaults;
    this.#start = new Map(start);
    this.#applied = new Map(vaults.map(({ id }) => [id, { seqs: new Set(), events: [] }]));
    this.socket.onAny((event, payload) => this.#apply(event, payload));
    this.socket.on('connect', () => this.#handleConnect());
    this.socket.on('vault:joined', (joined) => {
      const { vaultId, seq, epoch, replayed, resync } = joined;
      if (resync) this.resyncs.push(joined);
      else if (replayed !== undefined) this.resumes.push(joined);
      if (!this.#start.has(vaultId)) this.#start.set(vaultId, { seq, epoch });
      this.#pendingJoins.delete(vaultId);
      this.notify();
    });
    this.socket.on('error', ({ code, details }) => {
      const vault = this.vaults.find(({ id }) => id === details?.vaultId);
      const isRefusedJoin = details?.event === 'vault:join' && ['UNAVAILABLE', 'VAULT_BUSY'].includes(code);
      if (vault && isRefusedJoin) setTimeout(() => this.socket.connected && this.#join(vault), RETRY_DELAY);
    });
  }

  /** Applies an event of a vault unless one with its number was applied before. */
  #apply(event, payload) {
    const applied = event === 'vault:joined' ? undefined : this.#applied.get(payload?.vaultId ?? payload?.source?.vaultId);
    if (!applied || payload.seq === undefined) return;
    const entry = { event, payload, seq: payload.seq };
    if (applied.seqs.has(entry.seq)) this.repeatedEvents.push(entry);
    else applied.events.push(entry);
    applied.seqs.add(entry.seq);
  }

  /** Returns the events of the vault that the client applied, in the order received. */
  eventsOf(vault) {
    return this.#applied.get(vault.id).events;
  }

  #handleConnect() {
    this.connections.push(this.identity);
    if (this.identity.recovered) {
      // The service may or may not have received an unconfirmed join.
      if (this.#pendingJoins.size > 0) this.socket.disconnect().connect();
      return;
    }
    for (const vault of this.vaults) this.#join(vault);
  }

  #join(vault) {
    const { seq, epoch } = this.#start.get(vault.id) ?? {};
    const since = this.eventsOf(vault).at(-1)?.seq ?? seq;
    this.#pendingJoins.add(vault.id);
    this.emit('vault:join', { vaultId: vault.id, since, epoch });
  }

  /** Returns the number after which the client follows the vault. */
  startSeq(vault) {
    return this.#start.get(vault.id)?.seq;
  }

  /** Whether the client has joined all of its vaults. */
  get isJoined() {
    return this.socket.connected && !this.isJoining;
  }

  /** Whether a join has not been confirmed. */
  get isJoining() {
    return this.#pendingJoins.size > 0;
  }

  /** Waits until the client has connected at least `count` times and has joined all of its vaults. */
  async waitForConnections(count) {
    const check = () => (this.connections.length >= count && this.isJoined ? true : undefined);
    await this.waitFor(check, () => `${this.connections.length} of ${count} connections; ${this}`, 3 * DEFAULT_TIMEOUT);
  }

  /** Asserts that all connections after the one at index `first` were recovered with its ids. */
  assertRecovered(first = 0) {
    const [{ id, pid }, ...later] = this.connections.slice(first);
    for (const connection of later) assert.deepEqual(connection, { id, pid, recovered: true });
  }

  /**
   * Asserts that the client applied each event of the journals from its start exactly once and in order. The service sent it again at
   * most where the client requested it: `wire` is the log of the proxy of the client, and without one no event was repeated at all.
   */
  async assertMatchesJournals(journals, wire) {
    assert.deepEqual(this.resyncs, []);
    for (const vault of this.vaults) {
      const expected = journals.get(vault).slice(this.startSeq(vault));
      if (expected.length > 0) await this.waitForSeq(vault, expected.at(-1).seq);
      const received = this.eventsOf(vault);
      const index = received.findIndex(({ seq }, index) => seq !== expected[index]?.seq);
      assert.equal(index, -1, `event ${received[index]?.seq} was received after ${received[index - 1]?.seq}, over ${this.socket.io.opts.transports}`);
      assert.deepEqual(received, expected);
    }
    assert.deepEqual(wire ? wire.unrequested : this.repeatedEvents, []);
  }
}
