// A stop of the service with two thousand sockets and a stream of mutations, with `server.drain_delay` for load balancers and
// `server.drain_rate` for the sockets. The reconnects are spread over time, and no event is lost. During the delay the service works.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { RawSocketPool } from './raw-sockets.mjs';
import { TestClient } from './test-client.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';
import { assertCompleteStop } from './complete-stop.mjs';
import { CreateLoad } from './create-load.mjs';
import { readJournals } from './journals.mjs';

const VAULTS = 38;
/** The number of raw sockets in each vault, and of official clients in total. */
const RAW_SOCKETS = 50;
const CLIENTS = 100;
const SOCKETS = VAULTS * RAW_SOCKETS + CLIENTS;

const RATE = 400;
/** More sockets than the service closes at once, at this rate. */
const BURST = RATE / 4;
const DELAY = 1_000;
/** More than a stop takes, even on a busy machine. */
const SHUTDOWN_GRACE = 120_000;

/** The time in which two thousand sockets connect even on a slow and busy machine, in milliseconds. */
const CONNECT_TIMEOUT = 300_000;

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

let service;
const open = [];
after(async () => {
  for (const resource of open) resource.close();
  await service?.dispose();
});

test('two thousand sockets are closed at the drain rate and reconnect without losing an event', { timeout: 1_500_000 }, async () => {
  service = await TestServer.start('serve', {
    VAULTCAST__SERVER__DRAIN_RATE: String(RATE),
    VAULTCAST__SERVER__DRAIN_DELAY: `${DELAY}ms`,
    VAULTCAST__SERVER__SHUTDOWN_GRACE: `${SHUTDOWN_GRACE}ms`,
    VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '15m',
    // On a busy machine this process may answer a ping late, and the service may admit the last of all reconnects late.
    VAULTCAST__SOCKETIO__PING_TIMEOUT: '2m',
    VAULTCAST__SOCKETIO__CONNECT_TIMEOUT: '5m',
  });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
  const vaults = [];
  for (const number of range(1, VAULTS)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).expectStatus(201).body.id });
  const pool = new RawSocketPool(service.url, ana, [], RAW_SOCKETS);
  open.push(pool);
  // The sockets connect in groups, because the kernel's accept queue is short.
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
    await client.waitForUpgrade();
  }));
  const load = new CreateLoad([ana, clients[0], clients[1], clients[2]], vaults, { concurrency: 4, interval: 50 });
  open.push(load);
  await load.waitForMore(50);

  assert.deepEqual(pool.disconnectTimes, []);
  const start = performance.now();
  service.signal('SIGTERM');
  const { code } = await service.waitForExit(SHUTDOWN_GRACE + 30_000);
  const duration = performance.now() - start;
  assert.equal(code, 0, service.output);
  assertCompleteStop(service);

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
  await service.restartUnderLoad();
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

test('during the drain delay only /readyz fails, and a second signal ends it', { timeout: 180_000 }, async () => {
  // Longer than the test, which ends the delay.
  const delayed = await TestServer.start('serve', { VAULTCAST__SERVER__DRAIN_DELAY: '10m', VAULTCAST__SERVER__SHUTDOWN_GRACE: '20m' });
  try {
    const ana = new TestUser(delayed, 'ana', 'Ana', 'ana@example.com');
    const vault = { id: (await ana.post('/api/vaults', { name: 'Plans' })).expectStatus(201).body.id };
    const clients = [];
    const connect = async () => {
      const client = new TestClient(delayed.url, { auth: { token: ana.token() } });
      open.push(client);
      clients.push(client);
      await client.nextEvent('connect');
      await client.join(vault);
    };
    await connect();
    delayed.signal('SIGTERM');
    await delayed.waitForOutput(/draining begins after server\.drain_delay/);
    (await ana.get('/readyz')).expectError(503, 'UNAVAILABLE');
    await connect();
    const { seq } = await httpApi(ana).create(vault, PAPER);
    for (const client of clients) {
      await client.waitForSeq(vault, seq);
      assert(!client.log.some(({ event }) => event === 'disconnect'), `${client}`);
      client.close();
    }
    delayed.signal('SIGTERM');
    await delayed.waitForExit();
    assert.match(delayed.output, /second signal/);
  } finally {
    await delayed.dispose();
  }
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
