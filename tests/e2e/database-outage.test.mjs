// PostgreSQL is killed repeatedly during a stream of mutations. Acknowledged mutations are in the journal, refused ones are not, and
// those with `outcome: "unknown"` may be. Every reader receives exactly the journal, and the service is never restarted.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onPostgres } from './database.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { PostgresServer } from './postgres-server.mjs';
import { freePort, TestServer } from './test-server.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';
import { readJournal } from './journals.mjs';

/** The duration of each outage in milliseconds, and whether commits are durable but unanswered before it. The last outage outlasts
 * the service's attempts to resolve unknown commits. */
const OUTAGES = [{ duration: 0 }, { duration: 300, stallsCommits: true }, { duration: 300 }, { duration: 16_000, stallsCommits: true }];

let postgres, service;
const clients = [];
after(async () => {
  // An open client would reconnect forever.
  for (const client of clients) client.close();
  await service?.dispose();
  await postgres?.dispose();
});

/** The outcome of each mutation, by the title of its source. */
class MutationOutcomes extends Observable {
  acknowledged = new Map();
  refused = new Map();
  unknown = new Set();

  record(title, seq, error) {
    if (!error) {
      this.acknowledged.set(title, seq);
    } else {
      assert(['UNAVAILABLE', 'VAULT_BUSY', 'AUTHENTICATION_FAILED'].includes(error.code), `${title}: ${JSON.stringify(error)}`);
      if (error.details?.outcome === 'unknown') this.unknown.add(title);
      else this.refused.set(title, error);
    }
    this.notify();
  }

  /** Waits until `count` more mutations are acknowledged. */
  waitForMore(count) {
    const target = this.acknowledged.size + count;
    const describe = () => `${this.acknowledged.size} of ${target} mutations acknowledged`;
    return this.waitFor(() => (this.acknowledged.size >= target ? true : undefined), describe, 3 * DEFAULT_TIMEOUT);
  }
}

/** Follows a vault from its beginning, and joins again with `since` after every reconnect. */
class FollowingClient extends TestClient {
  constructor(url, vault, options) {
    super(url, options);
    this.socket.on('connect', () => {
      const since = this.eventsOf(vault).at(-1)?.seq ?? 0;
      this.emit('vault:join', { vaultId: vault.id, since });
    });
    // A join that was refused during an outage is repeated.
    this.socket.on('error', ({ details }) => {
      assert.equal(details.event, 'vault:join');
      setTimeout(() => this.socket.disconnect().connect(), 100);
    });
  }
}

test('a killed PostgreSQL loses no acknowledged mutation, and every client is in sync after its restart', { timeout: 300_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  postgres = await PostgresServer.start(await freePort());
  service = await TestServer.start('serve', { DATABASE_URL: postgres.url });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
  const newVault = async (name) => ({ id: (await ana.post('/api/vaults', { name })).expectStatus(201).body.id });
  const [vault, quiet] = [await newVault('Busy'), await newVault('Quiet')];
  const auth = { token: ana.token() };
  const readers = ['websocket', 'websocket', 'polling'].map((transport) => new FollowingClient(service.url, vault, { auth, transports: [transport] }));
  clients.push(...readers);
  for (const reader of readers) await reader.nextEvent('vault:joined');

  const outcomes = new MutationOutcomes();
  let running = true;
  const startStream = async (writer, create) => {
    for (let number = 1; running; number += 1) {
      const title = `writer ${writer} number ${number}`;
      const { seq, error } = await create({ ...PAPER, title });
      outcomes.record(title, seq, error);
      if (error) await pause(50);
    }
  };
  const overHttp = async (source) => {
    const answer = await ana.post(`/api/vaults/${vault.id}/sources`, source);
    return answer.status === 201 ? { seq: answer.seq } : { error: answer.expectStatus(503).body };
  };
  const sender = new TestClient(service.url, { auth, transports: ['websocket'] });
  clients.push(sender);
  await sender.nextEvent('connect');
  const overSocket = (source) => sender.socket.timeout(3 * DEFAULT_TIMEOUT).emitWithAck('source:created', { vaultId: vault.id, source });
  const streams = range(1, 8).map((writer) => startStream(writer, writer > 2 ? overHttp : overSocket));

  for (const { duration, stallsCommits } of OUTAGES) {
    await outcomes.waitForMore(100);
    if (stallsCommits) await postgres.stallCommits();
    await postgres.kill();
    // A mutation that begins during a long outage is refused without an unknown outcome.
    const late = duration > 1000 ? ana.post(`/api/vaults/${quiet.id}/sources`, PAPER) : undefined;
    await pause(duration);
    assert.equal((await late)?.expectError(503, 'UNAVAILABLE').details, undefined);
    await postgres.restart();
  }
  await outcomes.waitForMore(100);
  running = false;
  await Promise.all(streams);

  const journal = await readJournal(ana, vault);
  assert.deepEqual(journal.map(({ seq }) => seq), range(1, journal.length));
  const written = new Map(journal.map(({ seq, payload }) => [payload.source.title, seq]));
  assert.equal(written.size, journal.length, 'no mutation may be written twice');
  for (const [title, seq] of outcomes.acknowledged) assert.equal(written.get(title), seq, `${title} was acknowledged`);
  for (const [title, error] of outcomes.refused) assert(!written.has(title), `${title} was refused with ${JSON.stringify(error)}, but is in the journal`);
  for (const title of written.keys()) assert(outcomes.acknowledged.has(title) || outcomes.unknown.has(title), `${title} is in the journal, but was neither acknowledged nor unknown`);
  assert.equal((await ana.post(`/api/vaults/${quiet.id}/sources`, PAPER)).expectStatus(201).seq, 1);
  assert(outcomes.unknown.size > 0);

  for (const reader of readers) {
    await reader.waitForSeq(vault, journal.length);
    assert.deepEqual(reader.eventsOf(vault), journal);
  }
  console.log(`${outcomes.acknowledged.size} acknowledged, ${outcomes.refused.size} refused, ${outcomes.unknown.size} unknown`);
});
