// PostgreSQL processes that are stopped: they hold their connections open and answer nothing, as a host that has vanished. Every
// request is answered in bounded time, `/readyz` fails, and the service works again when the processes do.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onPostgres } from './database.mjs';
import { PAPER } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { PostgresServer } from './postgres-server.mjs';
import { freePort, TestServer } from './test-server.mjs';
import { readJournal } from './journals.mjs';

/** More than the longest time in milliseconds until a mutation is answered (BEGIN, a new connection, the statement or the commit), even
 * on a busy machine. Without a deadline in the service it would never be answered. */
const LONGEST_ANSWER = 60_000;

/** The same for `/readyz`. */
const LONGEST_CHECK = 30_000;

let postgres, service, client;
after(async () => {
  client?.close();
  await postgres?.resume();
  await service?.dispose();
  await postgres?.dispose();
});

/** Returns the status of `/readyz`. */
async function readiness() {
  const answer = await fetch(`${service.url}/readyz`, { signal: AbortSignal.timeout(LONGEST_CHECK) });
  return answer.status;
}

async function waitForReadiness(status) {
  for (const deadline = Date.now() + 90_000; (await readiness()) !== status; await pause(50)) {
    assert(Date.now() < deadline, `/readyz did not become ${status}; the service's output:\n${service.output}`);
  }
}

test('stopped PostgreSQL processes delay no request for longer than a deadline, and no shutdown', { timeout: 300_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  postgres = await PostgresServer.start(await freePort());
  service = await TestServer.start('serve', { DATABASE_URL: postgres.url });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  ana.timeout = LONGEST_ANSWER;
  const vault = (await ana.post('/api/vaults', { name: 'Stalled' })).expectStatus(201).body;
  const addSource = () => ana.post(`/api/vaults/${vault.id}/sources`, PAPER);
  client = new TestClient(service.url, { auth: { token: ana.token() }, transports: ['websocket'] });
  await client.nextEvent('connect');
  client.emit('vault:join', vault.id);
  await client.nextEvent('vault:joined');
  assert.equal((await addSource()).expectStatus(201).seq, 1);

  // The connections of the service are stopped, and the server accepts new ones.
  await postgres.stopBackends();
  assert.equal((await addSource()).expectStatus(201).seq, 2);
  await waitForReadiness(200);
  await postgres.resume();
  assert.equal((await addSource()).expectStatus(201).seq, 3);

  // Nothing answers.
  await postgres.stopAll();
  await waitForReadiness(503);
  (await addSource()).expectError(503, 'UNAVAILABLE');
  assert.equal(await readiness(), 503);
  await postgres.resume();
  await waitForReadiness(200);
  const { seq: last } = (await addSource()).expectStatus(201);
  await client.waitForSeq(vault, last);
  assert.deepEqual(client.eventsOf(vault), await readJournal(ana, vault));

  // A mutation is in flight when the service is stopped.
  await postgres.stopAll();
  const inFlight = addSource().catch((error) => error);
  await service.stop();
  await inFlight;
});
