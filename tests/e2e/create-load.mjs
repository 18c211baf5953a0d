// A load of mutations that creates sources in several vaults until it is stopped, through any failure of the service. It records
// the outcome of each mutation and can compare all outcomes with the journals.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { PAPER, range } from './fixtures.mjs';
import { TestClient } from './test-client.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

/** The time in which a client reconnects among thousands of others, even on a slow and busy machine, in milliseconds. */
const RECONNECT_TIMEOUT = 300_000;

/** The delay after a mutation that was refused or not answered, in milliseconds. */
export const RETRY_DELAY = 50;

export class CreateLoad extends Observable {
  /** `{ vault, title, seq }` of each mutation that was acknowledged. */
  acknowledged = [];
  /** The titles of the mutations that were refused. */
  refused = [];
  /** The titles of the mutations whose outcome is unknown, because the service ended before it answered. */
  unknown = [];
  #running = true;
  #done;

  /**
   * `writers` are users, who write over HTTP, or connected `TestClient`s, which write over their sockets. `concurrency` is the
   * number of mutations under way, and `interval` the pause after each one in milliseconds.
   */
  constructor(writers, vaults, { concurrency = 4, interval = 0 } = {}) {
    super();
    this.#done = Promise.all(range(1, concurrency).map((lane) => this.#write(writers[lane % writers.length], vaults, lane, interval)));
    // `stop` rejects with the error; until then it must not count as an unhandled rejection.
    this.#done.catch(() => {});
  }

  async #write(writer, vaults, lane, interval) {
    for (let number = lane; this.#running; number += 1) {
      const vault = vaults[number % vaults.length];
      const title = `lane ${lane} number ${number}`;
      const create = writer instanceof TestClient ? createBySocket : createByHttp;
      const seq = await create(writer, vault, { ...PAPER, title });
      if (seq > 0) this.acknowledged.push({ vault, title, seq });
      else if (seq === 0) this.refused.push(title);
      else this.unknown.push(title);
      this.notify();
      const delay = seq > 0 ? interval : RETRY_DELAY;
      if (delay > 0) await pause(delay);
    }
  }

  /** Waits until `count` more mutations are acknowledged. */
  waitForMore(count) {
    const target = this.acknowledged.length + count;
    const describe = () => `${this.acknowledged.length} of ${target} mutations acknowledged`;
    return this.waitFor(() => (this.acknowledged.length >= target ? true : undefined), describe, 2 * DEFAULT_TIMEOUT);
  }

  /** Stops the load and waits for the mutations under way. */
  async stop() {
    this.close();
    await this.#done;
  }

  close() {
    this.#running = false;
  }

  /** Asserts that the journals contain each acknowledged mutation at its `seq` and no refused one. */
  assertMatchesJournals(journals) {
    const written = new Map();
    for (const [vault, events] of journals) {
      for (const { seq, payload } of events) {
        assert(!written.has(payload.source.title), `${payload.source.title} was written twice`);
        written.set(payload.source.title, { vault, seq });
      }
    }
    for (const { vault, title, seq } of this.acknowledged) assert.deepEqual(written.get(title), { vault, seq }, `${title} was acknowledged`);
    for (const title of this.refused) assert(!written.has(title), `${title} was refused, but is in the journal`);
    assert(written.size <= this.acknowledged.length + this.unknown.length, 'the journal contains mutations that were not requested');
  }
}

/** Returns the number of the event, 0 if the mutation was refused, or undefined if its outcome is unknown. */
async function createByHttp(user, vault, source) {
  const answer = await user.post(`/api/vaults/${vault.id}/sources`, source).catch(() => undefined);
  if (answer === undefined || answer.status === 201) return answer?.seq;
  assert.equal(answer.expectError(503, 'UNAVAILABLE').details, undefined);
  return 0;
}

/** Returns the same as `createByHttp`. Waits for the connection first, because the client buffers events while disconnected. */
async function createBySocket(client, vault, source) {
  const connected = () => (client.socket.connected ? true : undefined);
  await client.waitFor(connected, () => `not connected; ${client}`, RECONNECT_TIMEOUT);
  const ack = await client.socket.timeout(DEFAULT_TIMEOUT).emitWithAck('source:created', { vaultId: vault.id, source }).catch(() => undefined);
  if (ack === undefined || ack.ok) return ack?.seq;
  assert.equal(ack.error.code, 'UNAVAILABLE', JSON.stringify(ack));
  assert.equal(ack.error.details?.outcome, undefined, JSON.stringify(ack));
  return 0;
}
