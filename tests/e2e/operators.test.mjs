// What whoever operates the service sees of it: its meters, each of them documented, and the vaults that are alive.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { byHttp } from './doors.mjs';
import { Gauges } from './gauges.mjs';
import { PAPER, range } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

const DOCUMENTED = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
const DASHBOARD = JSON.parse(readFileSync(new URL('../../deploy/grafana.json', import.meta.url), 'utf8'));

let service, admin, gauges, ana, eve;
const listeners = [];

before(async () => {
  const { gauges: looking, settings } = await Gauges.prepare();
  service = await Service.start('serve', settings);
  gauges = looking.of(service);
  admin = `http://${settings.VAULTCAST__ADMIN__BIND}`;
  [ana, eve] = ['ana', 'eve'].map((id) => new Person(service, id, id, `${id}@example.com`));
});
after(async () => {
  for (const listener of listeners) listener.close();
  await service.dispose();
});

async function vault(name) {
  return { id: (await ana.post('/api/vaults', { name })).is(201).body.id };
}

async function listen(person, options = {}) {
  const listener = new Listener(service.url, { auth: { token: person.token() }, ...options });
  listeners.push(listener);
  await listener.hears('connect');
  return listener;
}

async function metrics() {
  const answer = await fetch(`${admin}/metrics`);
  assert.equal(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return answer.text();
}

const namesIn = (text) => new Set(text.match(/\bvaultcast_[a-z_]+/g));

/** The families of a text of Prometheus's, by name. */
function families(text) {
  return new Map([...text.matchAll(/^# HELP (\S+) (.+)\n# TYPE \1 (\S+)$/gm)].map(([, name, help, type]) => [name, { help, type }]));
}

test('each of a vault\'s ways is counted: in by every door, through its queue, and out to every socket', async () => {
  const shared = await vault('Counted');
  const transports = { polling: ['polling'], websocket: ['websocket'], upgraded: ['polling', 'websocket'] };
  const before = {
    delivered: await gauges.read('deliveries_total'),
    joined: await gauges.read('joins_total{outcome="joined"}'),
    upgrades: await gauges.read('socket_upgrades_total'),
  };
  const all = [];
  for (const transports_ of Object.values(transports)) {
    const one = await listen(ana, { transports: transports_ });
    await one.join(shared);
    all.push(one);
  }
  await gauges.reads('socket_upgrades_total', (n) => n === before.upgrades + 1);
  await gauges.reads('sockets{transport="polling"}', (n) => n === 1);
  await gauges.reads('sockets{transport="websocket"}', (n) => n === 2);

  const made = await Promise.all(range(1, 20).map(() => byHttp(ana).create(shared, PAPER)));
  const last = Math.max(...made.map(({ seq }) => seq));
  for (const one of all) await one.reaches(shared, last);
  assert.equal((await eve.post(`/api/vaults/${shared.id}/sources`, PAPER)).status, 403);

  assert.equal(await gauges.read('mutations_total{kind="source_created",outcome="committed"}'), 20);
  assert.equal(await gauges.read('mutations_total{kind="source_created",outcome="access_denied"}'), 1);
  assert.equal(await gauges.read('joins_total{outcome="joined"}'), before.joined + 3);
  assert.equal(await gauges.read('subscribers'), 3);
  await gauges.reads('deliveries_total', (n) => n === before.delivered + 60);
  const route = 'method="POST",route="/api/vaults/{id}/sources"';
  assert.equal(await gauges.read(`http_requests_total{${route},status="201"}`), 20);
  assert.equal(await gauges.read(`http_requests_total{${route},status="403"}`), 1);
  for (const histogram of [
    'commit_seconds', 'commit_batch_mutations', 'commit_to_queue_seconds', 'queue_to_socket_seconds', 'mutation_seconds',
  ]) {
    assert(await gauges.read(`${histogram}_count`) > 0, histogram);
  }
  for (const actor of ['vault', 'relay', 'session', 'committer']) {
    assert(await gauges.read(`mailbox_wait_seconds_count{actor="${actor}"}`) > 0, actor);
    assert(await gauges.read(`mailbox_handling_seconds_count{actor="${actor}"}`) > 0, actor);
  }

  all[0].socket.disconnect();
  await gauges.reads('disconnects_total{reason="client namespace disconnect"}', (n) => n === 1);
  await gauges.reads('subscribers', (n) => n === 2);
});

test('what is served is documented, and what is documented is served', async () => {
  const served = families(await metrics());
  const documented = namesIn(DOCUMENTED);
  const unknown = [...served.keys()].filter((name) => !documented.has(name));
  assert.deepEqual(unknown, [], 'served, and not in docs/metrics.md');
  // A family without a value yet is not told.
  const seldom = ['vaultcast_disconnects_total', 'vaultcast_recoveries_total', 'vaultcast_sockets_closed_total'];
  const missing = [...documented].filter((name) => !served.has(name) && !seldom.includes(name));
  assert.deepEqual(missing, [], 'in docs/metrics.md, and not served');
  for (const [name, { help }] of served) assert.match(help, /\.$/, name);
});

test('the dashboard asks for nothing that there is not', async () => {
  const served = families(await metrics());
  const asked = DASHBOARD.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  assert(asked.length > 20);
  const seldom = ['vaultcast_disconnects_total', 'vaultcast_recoveries_total', 'vaultcast_sockets_closed_total'];
  for (const name of namesIn(asked.join('\n'))) {
    const family = name.replace(/_(bucket|sum|count)$/, '');
    assert(served.has(name) || served.get(family)?.type === 'histogram' || seldom.includes(name), name);
  }
});

test('every vault that is alive is listed: where it stands, what waits, and who hears it', async () => {
  const [busy, quiet] = [await vault('Busy'), await vault('Quiet')];
  const one = await listen(ana);
  await one.join(busy);
  const { seq } = await byHttp(ana).create(busy, PAPER);
  await byHttp(ana).create(quiet, PAPER);

  const { vaults, totals } = await (await fetch(`${admin}/actors?by=subscribers`)).json();
  const seen = vaults.find(({ vaultId }) => vaultId === busy.id);
  const { oldestWaitMs, idleMs, arbiter, ...rest } = seen;
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
  for (const wrong of ['by=age', 'limit=-1', 'limit=many', 'by=wait&by=seq', 'limit=1&limit=2']) {
    const refused = await fetch(`${admin}/actors?${wrong}`);
    assert.equal(refused.status, 400);
    assert.equal((await refused.json()).code, 'VALIDATION_FAILED');
  }
});

test('the same is shown in the terminal, and nothing of it on the main listener', async () => {
  const shown = await service.run('actors', '--by', 'seq', '--limit', '1');
  const [head, first, ...rest] = shown.trimEnd().split('\n');
  assert.match(head, /^VAULT +SEQ +SUBSCRIBERS +QUEUE +WAIT +IN FLIGHT +IDLE +ARBITER$/);
  assert.match(first, /^c\S+ +\d+ +\d+ +0\/1024 /);
  assert.match(rest.at(-1), /^\d+ vaults alive, \d+ sockets, \d+ subscribers$/);
  for (const path of ['/metrics', '/actors']) assert.equal((await fetch(service.url + path)).status, 404);
});

const onPostgres = Boolean(process.env.TEST_POSTGRES_URL);

test('a process that sees another one write its database says so, once', { skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  const other = await Service.start('serve', { DATABASE_URL: service.database.url });
  try {
    const shared = await vault('Of both');
    const there = new Listener(other.url, { auth: { token: ana.token() } });
    listeners.push(there);
    await there.hears('connect');
    for (const seq of range(1, 3)) {
      assert.equal((await byHttp(ana).create(shared, PAPER)).seq, seq);
      assert.equal((await there.join(shared)).seq, seq);
    }
    const said = other.output.match(/ WARN .*another process writes this database/g);
    assert.equal(said?.length, 1, other.output);
  } finally {
    await other.dispose();
  }
});
