// PostgreSQL is killed in the middle of a stream, again and again. What was answered is there, what was refused is not, and
// of `outcome: "unknown"` either is true; whoever listens hears exactly what the journal says; and nobody restarts the
// service for it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onPostgres } from './database.mjs';
import { PAPER, range } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Postgres } from './postgres.mjs';
import { freePort, Service } from './service.mjs';
import { Watched } from './waiting.mjs';
import { journalOf } from './writers.mjs';

/** How long it is away each time, in milliseconds, and whether commits had been written and not been answered before. The
 * last time it is away for longer than the service asks what became of them. */
const KILLS = [{ away: 0 }, { away: 300, stalled: true }, { away: 300 }, { away: 16_000, stalled: true }];

let postgres, service;
const clients = [];
after(async () => {
  // Clients that are left alone go on coming back for ever.
  for (const client of clients) client.close();
  await service?.dispose();
  await postgres?.dispose();
});

/** What became of each mutation, by the title of its source. */
class Outcomes extends Watched {
  acknowledged = new Map();
  refused = new Map();
  unknown = new Set();

  take(title, seq, error) {
    if (!error) {
      this.acknowledged.set(title, seq);
    } else {
      assert(['UNAVAILABLE', 'VAULT_BUSY', 'AUTHENTICATION_FAILED'].includes(error.code), `${title}: ${JSON.stringify(error)}`);
      if (error.details?.outcome === 'unknown') this.unknown.add(title);
      else this.refused.set(title, error);
    }
    this.changed();
  }

  /** Waits until so many more are acknowledged. */
  more(count) {
    const enough = this.acknowledged.size + count;
    const tell = () => `${this.acknowledged.size} of ${enough} acknowledged`;
    return this.until(() => (this.acknowledged.size >= enough ? true : undefined), tell, 40_000);
  }
}

/** Hears a vault from its beginning, and joins again from where it stands whenever it comes back. */
class Reader extends Listener {
  constructor(url, vault, options) {
    super(url, options);
    this.socket.on('connect', () => {
      const since = this.eventsOf(vault).at(-1)?.seq ?? 0;
      this.tell('vault:join', { vaultId: vault.id, since });
    });
    // A join that came while the database was away is asked for again.
    this.socket.on('error', ({ details }) => {
      assert.equal(details.event, 'vault:join');
      setTimeout(() => this.socket.disconnect().connect(), 100);
    });
  }
}

test('a killed PostgreSQL costs nobody what was acknowledged, and everybody is in step when it is back', { timeout: 180_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  postgres = await Postgres.start(await freePort());
  service = await Service.start('serve', { DATABASE_URL: postgres.url });
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com').patiently();
  const newVault = async (name) => ({ id: (await ana.post('/api/vaults', { name })).is(201).body.id });
  const [vault, quiet] = [await newVault('Busy'), await newVault('Quiet')];
  const auth = { token: ana.token() };
  const readers = ['websocket', 'websocket', 'polling'].map((transport) => new Reader(service.url, vault, { auth, transports: [transport] }));
  clients.push(...readers);
  for (const reader of readers) await reader.hears('vault:joined');

  const outcomes = new Outcomes();
  let on = true;
  const stream = async (writer, ask) => {
    for (let number = 1; on; number += 1) {
      const title = `writer ${writer} number ${number}`;
      const { seq, error } = await ask({ ...PAPER, title });
      outcomes.take(title, seq, error);
      if (error) await pause(50);
    }
  };
  const overHttp = async (source) => {
    const answer = await ana.post(`/api/vaults/${vault.id}/sources`, source);
    return answer.status === 201 ? { seq: answer.seq } : { error: answer.is(503).body };
  };
  const sender = new Listener(service.url, { auth, transports: ['websocket'] });
  clients.push(sender);
  await sender.hears('connect');
  const overSocket = (source) => sender.socket.timeout(30_000).emitWithAck('source:created', { vaultId: vault.id, source });
  const streams = range(1, 8).map((writer) => stream(writer, writer > 2 ? overHttp : overSocket));

  for (const { away, stalled } of KILLS) {
    await outcomes.more(100);
    if (stalled) await postgres.stall();
    await postgres.kill();
    // Who begins while it is away for long is told so, and that nothing was done.
    const late = away > 1000 ? ana.post(`/api/vaults/${quiet.id}/sources`, PAPER) : undefined;
    await pause(away);
    assert.equal((await late)?.refuses(503, 'UNAVAILABLE').details, undefined);
    await postgres.resume();
  }
  await outcomes.more(100);
  on = false;
  await Promise.all(streams);

  const journal = await journalOf(ana, vault);
  assert.deepEqual(journal.map(({ seq }) => seq), range(1, journal.length));
  const written = new Map(journal.map(({ seq, payload }) => [payload.source.title, seq]));
  assert.equal(written.size, journal.length, 'nothing was written twice');
  for (const [title, seq] of outcomes.acknowledged) assert.equal(written.get(title), seq, `${title} was acknowledged`);
  for (const [title, error] of outcomes.refused) assert(!written.has(title), `${title} was refused with ${JSON.stringify(error)}, and is there`);
  for (const title of written.keys()) assert(outcomes.acknowledged.has(title) || outcomes.unknown.has(title), `nobody was told of ${title}`);
  assert.equal((await ana.post(`/api/vaults/${quiet.id}/sources`, PAPER)).is(201).seq, 1);
  assert(outcomes.unknown.size > 0);

  for (const reader of readers) {
    await reader.reaches(vault, journal.length);
    assert.deepEqual(reader.eventsOf(vault), journal);
  }
  console.log(`${outcomes.acknowledged.size} acknowledged, ${outcomes.refused.size} refused, ${outcomes.unknown.size} unknown`);
});
