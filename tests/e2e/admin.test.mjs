// The admin listener: the metrics, which docs/metrics.md documents, and the list of live vaults.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { httpApi } from './source-api.mjs';
import { MetricsProbe } from './metrics-probe.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

const DOCUMENTED = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
const DASHBOARD = JSON.parse(readFileSync(new URL('../../deploy/grafana.json', import.meta.url), 'utf8'));

let service, admin, probe, ana, eve;
const clients = [];

before(async () => {
  const { probe: newProbe, settings } = await MetricsProbe.prepare();
  service = await TestServer.start('serve', settings);
  probe = newProbe.attach(service);
  admin = `http://${settings.VAULTCAST__ADMIN__BIND}`;
  [ana, eve] = ['ana', 'eve'].map((id) => new TestUser(service, id, id, `${id}@example.com`));
});
after(async () => {
  for (const client of clients) client.close();
  await service.dispose();
});

async function newVault(name) {
  return { id: (await ana.post('/api/vaults', { name })).expectStatus(201).body.id };
}

async function connectClient(user, options = {}) {
  const client = new TestClient(service.url, { auth: { token: user.token() }, ...options });
  clients.push(client);
  await client.nextEvent('connect');
  return client;
}

async function metrics() {
  const answer = await fetch(`${admin}/metrics`);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return answer.text();
}

const namesIn = (text) => new Set(text.match(/\bvaultcast_[a-z_]+/g));

/** Parses the metric families of Prometheus text by name. */
function parseFamilies(text) {
  return new Map([...text.matchAll(/^# HELP (\S+) (.+)\n# TYPE \1 (\S+)$/gm)].map(([, name, help, type]) => [name, { help, type }]));
}

test('the metrics count the mutations of a vault from the request through the queue to every socket', async () => {
  const shared = await newVault('Counted');
  const transports = { polling: ['polling'], websocket: ['websocket'], upgraded: ['polling', 'websocket'] };
  const before = {
    delivered: await probe.read('deliveries_total'),
    joined: await probe.read('joins_total{outcome="joined"}'),
    upgrades: await probe.read('socket_upgrades_total'),
  };
  const subscribers = [];
  for (const list of Object.values(transports)) {
    const client = await connectClient(ana, { transports: list });
    await client.join(shared);
    subscribers.push(client);
  }
  await probe.waitForMetric('socket_upgrades_total', (n) => n === before.upgrades + 1);
  await probe.waitForMetric('sockets{transport="polling"}', (n) => n === 1);
  await probe.waitForMetric('sockets{transport="websocket"}', (n) => n === 2);

  const created = await Promise.all(range(1, 20).map(() => httpApi(ana).create(shared, PAPER)));
  const last = Math.max(...created.map(({ seq }) => seq));
  for (const client of subscribers) await client.waitForSeq(shared, last);
  assert.equal((await eve.post(`/api/vaults/${shared.id}/sources`, PAPER)).status, 403);

  // A metric may change shortly after the answer that it counts.
  const becomes = (name, expected) => probe.waitForMetric(name, (value) => value === expected);
  await becomes('mutations_total{kind="source_created",outcome="committed"}', 20);
  await becomes('mutations_total{kind="source_created",outcome="access_denied"}', 1);
  await becomes('joins_total{outcome="joined"}', before.joined + 3);
  await becomes('subscribers', 3);
  await probe.waitForMetric('deliveries_total', (n) => n === before.delivered + 60);
  const route = 'method="POST",route="/api/vaults/{id}/sources"';
  await becomes(`http_requests_total{${route},status="201"}`, 20);
  await becomes(`http_requests_total{${route},status="403"}`, 1);
  for (const histogram of [
    'commit_seconds', 'commit_batch_mutations', 'commit_to_queue_seconds', 'queue_to_socket_seconds', 'mutation_seconds',
  ]) {
    await probe.waitForMetric(`${histogram}_count`, (count) => count > 0);
  }
  for (const actor of ['vault', 'relay', 'session', 'committer']) {
    await probe.waitForMetric(`mailbox_wait_seconds_count{actor="${actor}"}`, (count) => count > 0);
    await probe.waitForMetric(`mailbox_handling_seconds_count{actor="${actor}"}`, (count) => count > 0);
  }

  subscribers[0].socket.disconnect();
  await probe.waitForMetric('disconnects_total{reason="client namespace disconnect"}', (n) => n === 1);
  await probe.waitForMetric('subscribers', (n) => n === 2);
});

test('every exported metric is documented, and every documented metric is exported', async () => {
  const exported = parseFamilies(await metrics());
  const documented = namesIn(DOCUMENTED);
  const unknown = [...exported.keys()].filter((name) => !documented.has(name));
  assert.deepEqual(unknown, [], 'exported, but not in docs/metrics.md');
  // A family without a value is not exported.
  const optional = ['vaultcast_disconnects_total', 'vaultcast_recoveries_total', 'vaultcast_sockets_closed_total', 'vaultcast_bus_up', 'vaultcast_bus_peers', 'vaultcast_peer_claims_pending'];
  const missing = [...documented].filter((name) => !exported.has(name) && !optional.includes(name));
  assert.deepEqual(missing, [], 'in docs/metrics.md, but not exported');
  for (const [name, { help }] of exported) assert.match(help, /\.$/, name);
});

test('the dashboard queries only exported metrics', async () => {
  const exported = parseFamilies(await metrics());
  const expressions = DASHBOARD.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  assert(expressions.length > 20);
  const optional = ['vaultcast_disconnects_total', 'vaultcast_recoveries_total', 'vaultcast_sockets_closed_total', 'vaultcast_bus_up', 'vaultcast_bus_peers', 'vaultcast_peer_claims_pending'];
  for (const name of namesIn(expressions.join('\n'))) {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    assert(exported.has(name) || exported.get(family)?.type === 'histogram' || optional.includes(name), name);
  }
});

test('every live vault is listed with its seq, its queue and its subscribers', async () => {
  const [busy, quiet] = [await newVault('Busy'), await newVault('Quiet')];
  const subscriber = await connectClient(ana);
  await subscriber.join(busy);
  const { seq } = await httpApi(ana).create(busy, PAPER);
  await httpApi(ana).create(quiet, PAPER);

  const { node, vaults, totals } = await (await fetch(`${admin}/actors?by=subscribers`)).json();
  assert.match(node, /^\S+-[0-9a-f]{4}$/);
  const listed = vaults.find(({ vaultId }) => vaultId === busy.id);
  const { oldestWaitMs, idleMs, arbiter, ...rest } = listed;
  assert.deepEqual(rest, { vaultId: busy.id, seq, subscribers: 1, depth: 0, capacity: 1024, inFlight: 0 });
  assert.equal(oldestWaitMs, 0);
  assert(Number.isInteger(idleMs) && Number.isInteger(arbiter));
  assert.equal(totals.vaults, vaults.length);
  assert.equal(totals.subscribers, vaults.reduce((sum, { subscribers }) => sum + subscribers, 0));
  const order = vaults.map(({ subscribers }) => subscribers);
  assert.deepEqual(order, order.toSorted((a, b) => b - a));

  const limited = await (await fetch(`${admin}/actors?by=vault&limit=1`)).json();
  assert.equal(limited.vaults.length, 1);
  assert.deepEqual(limited.totals.vaults, totals.vaults);
  for (const query of ['by=age', 'limit=-1', 'limit=many', 'by=wait&by=seq', 'limit=1&limit=2']) {
    const refused = await fetch(`${admin}/actors?${query}`);
    assert.equal(refused.status, 400);
    assert.equal((await refused.json()).code, 'VALIDATION_FAILED');
  }
});

test('the actors command prints the same list, and the main listener does not serve it', async () => {
  const output = await service.run('actors', '--by', 'seq', '--limit', '1');
  const [head, first, ...rest] = output.trimEnd().split('\n');
  assert.match(head, /^VAULT +SEQ +SUBSCRIBERS +QUEUE +WAIT +IN FLIGHT +IDLE +ARBITER$/);
  assert.match(first, /^c\S+ +\d+ +\d+ +0\/1024 /);
  assert.match(rest.at(-1), /^\d+ vaults alive, \d+ sockets, \d+ subscribers$/);
  for (const path of ['/metrics', '/actors']) assert.equal((await fetch(service.url + path)).status, 404);
});

const onPostgres = Boolean(process.env.TEST_POSTGRES_URL);

test('a process that detects another writer on its database logs it once', { skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  const other = await TestServer.start('serve', { DATABASE_URL: service.database.url });
  try {
    const shared = await newVault('Shared');
    const otherClient = new TestClient(other.url, { auth: { token: ana.token() } });
    clients.push(otherClient);
    await otherClient.nextEvent('connect');
    for (const seq of range(1, 3)) {
      assert.equal((await httpApi(ana).create(shared, PAPER)).seq, seq);
      assert.equal((await otherClient.join(shared)).seq, seq);
    }
    await other.waitForOutput(/ INFO .*another node writes this database/);
    otherClient.close();
    await other.stop();
    assert.equal(other.output.match(/another node writes this database/g).length, 1, other.output);
  } finally {
    await other.dispose();
  }
});
