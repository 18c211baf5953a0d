// A stop of the service with five thousand sockets and a stream of mutations, with `server.drain_delay` for load balancers and
// `server.drain_rate` for the sockets. The reconnects are spread over time, and no event is lost.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { RawSocketPool } from './raw-sockets.mjs';
import { TestClient } from './test-client.mjs';
import { range } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';
import { CreateLoad } from './create-load.mjs';
import { readJournals } from './journals.mjs';

const VAULTS = 94;
/** The number of raw sockets in each vault, and of official clients in total. */
const RAW_SOCKETS = 50;
const CLIENTS = 300;
const SOCKETS = VAULTS * RAW_SOCKETS + CLIENTS;

const RATE = 1_000;
/** More sockets than the service closes at once, at this rate. */
const BURST = RATE / 4;
const DELAY = 4_000;
const SHUTDOWN_GRACE = 40_000;

/** The time in which five thousand sockets connect even on a slow and busy machine, in milliseconds. */
const CONNECT_TIMEOUT = 150_000;

/** The log messages of an incomplete stop. The test requires them in docs/logs.md, so that it fails after a change of their text. */
const STOP_PROBLEMS = ['server.drain_rate is too slow', 'server.shutdown_grace has passed', 'could not be stored', 'were not stored'];
const LOGS_PAGE = readFileSync(new URL('../../docs/logs.md', import.meta.url), 'utf8');
for (const message of STOP_PROBLEMS) assert(LOGS_PAGE.includes(message), `docs/logs.md has no message "${message}"`);

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

let service;
const open = [];
after(async () => {
  for (const resource of open) resource.close();
  await service?.dispose();
});

test('five thousand sockets are closed at the drain rate and reconnect without losing an event', { timeout: 500_000 }, async () => {
  service = await TestServer.start('serve', {
    VAULTCAST__SERVER__DRAIN_RATE: String(RATE),
    VAULTCAST__SERVER__DRAIN_DELAY: `${DELAY}ms`,
    VAULTCAST__SERVER__SHUTDOWN_GRACE: `${SHUTDOWN_GRACE}ms`,
  });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
  const vaults = [];
  for (const number of range(1, VAULTS)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).expectStatus(201).body.id });
  const pool = new RawSocketPool(service.url, ana, [], RAW_SOCKETS);
  open.push(pool);
  // The sockets connect in groups, because the kernel's accept queue does not hold five thousand connections.
  for (let first = 0; first < VAULTS; first += 10) {
    pool.add(vaults.slice(first, first + 10), RAW_SOCKETS);
    await pool.waitForConnections(1, CONNECT_TIMEOUT);
  }
  const clients = [];
  for (const number of range(1, CLIENTS)) {
    const options = { auth: { token: ana.token() }, transports: TRANSPORTS[number % 3], timeout: 60_000 };
    const client = new TestClient(service.url, { ...options, reconnectionDelay: 100, reconnectionDelayMax: 1_000 });
    open.push(client);
    clients.push(client);
    client.socket.on('disconnect', () => pool.recordDisconnect());
  }
  await Promise.all(clients.map(async (client, index) => {
    await waitForConnections(client, 1);
    await client.join(vaults[index % VAULTS]);
  }));
  const load = new CreateLoad([ana, clients[0], clients[1], clients[2]], vaults, { concurrency: 4, interval: 50 });
  open.push(load);
  await load.waitForMore(50);

  // During the delay only /readyz fails.
  const start = performance.now();
  service.signal('SIGTERM');
  while ((await ana.get('/readyz')).status === 200);
  (await ana.get('/readyz')).expectError(503, 'UNAVAILABLE');
  await load.waitForMore(5);
  assert.equal(load.refused.length, 0);
  assert.deepEqual(pool.disconnectTimes, []);
  const newcomer = new TestClient(service.url, { auth: { token: ana.token() } });
  open.push(newcomer);
  await newcomer.nextEvent('connect');
  assert(performance.now() - start < DELAY, 'these steps must complete within the drain delay');

  const { code } = await service.waitForExit(SHUTDOWN_GRACE + 5_000);
  const duration = performance.now() - start;
  assert.equal(code, 0, service.output);
  assert(duration < SHUTDOWN_GRACE, `the stop took ${duration} ms; the last output:\n${service.output.split('\n').slice(-20).join('\n')}`);
  for (const message of STOP_PROBLEMS) assert(!service.output.includes(message), service.output);

  // All sockets were closed, but not faster than the rate.
  await pool.waitFor(() => (pool.disconnectTimes.length >= SOCKETS ? true : undefined), () => `${pool.disconnectTimes.length} of ${SOCKETS} sockets were closed`);
  assert.equal(pool.disconnectTimes.length, SOCKETS);
  const closed = pool.disconnectTimes.map((time) => time - start).sort((a, b) => a - b);
  // This process may notice a disconnect late, but never before it happened.
  for (const [index, time] of closed.entries()) {
    const earliest = DELAY + Math.max(0, ((index - BURST) / RATE) * 1_000);
    assert(time >= earliest, `socket ${index + 1} was closed after ${time} ms, not ${earliest}`);
  }

  // A new process takes over, and the sockets continue at their last event.
  await service.restart();
  await pool.waitForConnections(2, CONNECT_TIMEOUT);
  // A socket whose recovery is refused because the database is overloaded joins again with `since`.
  assert(pool.recovered >= VAULTS * RAW_SOCKETS * 0.9, `only ${pool.recovered} sockets were recovered`);
  await Promise.all(clients.map((client) => waitForConnections(client, 2)));
  let notRecovered = 0;
  for (const [index, client] of clients.entries()) {
    if (client.identity.recovered) continue;
    notRecovered += 1;
    const vault = vaults[index % VAULTS];
    const { payload } = client.log.find(({ event }) => event === 'vault:joined');
    await client.join(vault, { since: client.eventsOf(vault).at(-1)?.seq ?? payload.seq });
  }
  assert(notRecovered <= clients.length * 0.1, `${notRecovered} of the official clients were not recovered`);
  await load.waitForMore(50);
  await load.stop();
  const journals = await readJournals(ana, vaults);
  load.assertMatchesJournals(journals);
  await pool.waitForJournals(journals);
  assert.deepEqual(pool.violations.slice(0, 5), []);
  for (const [index, client] of clients.entries()) await assertComplete(client, vaults[index % VAULTS], journals);
  console.log(`${SOCKETS} sockets closed within ${Math.round(closed.at(-1) - closed[0])} ms; stopped after ${Math.round(duration)} ms; ${load.acknowledged.length} acknowledged, ${load.refused.length} refused, ${load.unknown.length} unknown`);
});

/** Waits until the client has connected `count` times. */
function waitForConnections(client, count) {
  const check = () => (client.log.filter(({ event }) => event === 'connect').length >= count ? true : undefined);
  return client.waitFor(check, () => `not connected ${count} times; ${client}`, CONNECT_TIMEOUT);
}

/** Asserts that the client received every event of the journal since its join once and in order. */
async function assertComplete(client, vault, journals) {
  const { payload } = client.log.find(({ event }) => event === 'vault:joined');
  const head = journals.get(vault).length;
  if (head > payload.seq) await client.waitForSeq(vault, head);
  assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(payload.seq + 1, head), `${client}`);
}
