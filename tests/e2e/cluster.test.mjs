// Several processes on one PostgreSQL: what one commits reaches the sockets of the others, in order, by hints or by the sweep.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { psql } from './database.mjs';
import { Nodes, options } from './nodes.mjs';
import { RedisServer } from './redis-server.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';

/** How long an event may take without hints: a sweep each second, and the read after it. */
const SWEEP_LIMIT = 1_500;

/** Creates a source through this user's node and returns how long the client needs to receive it after the answer. */
async function delay(user, vault, client) {
  const { seq } = await httpApi(user).create(vault, PAPER);
  const from = performance.now();
  await client.waitForSeq(vault, seq);
  return performance.now() - from;
}

const seqsOf = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

test('two nodes that write one vault deliver its events to the sockets of both in one order', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const clients = [];
    for (const node of [0, 1, 0, 1]) {
      const client = await nodes.connect(node, 'ana', node ? { transports: ['websocket'] } : {});
      assert.equal((await client.join(vault)).seq, 1);
      clients.push(client);
    }
    const write = async (node) => {
      const api = httpApi(nodes.user(node, 'ana'));
      for (const n of range(1, 50)) await api.create(vault, { ...PAPER, title: `${node} ${n}` });
    };
    await Promise.all([0, 1, 0, 1].map(write));
    for (const client of clients) await client.waitForSeq(vault, 201);
    for (const client of clients) {
      assert.deepEqual(seqsOf(client, vault), range(2, 201));
      assert.deepEqual(client.eventsOf(vault), clients[0].eventsOf(vault));
    }
    for (const probe of nodes.probes) {
      assert((await probe.read('hints_received_total')) > 0);
      assert((await probe.read('remote_events_total')) > 0);
      assert.equal(await probe.read('bus_up'), 1);
    }
  }));

test('a join on another node replays what its client has missed, and its role is that of the last change', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    const vault = await nodes.newVault();
    const ana = nodes.user(0, 'ana');
    const first = await nodes.connect(0, 'ben');
    const { epoch } = await first.join(vault);
    for (const seq of range(2, 6)) assert.equal((await httpApi(ana).create(vault, PAPER)).seq, seq);
    await first.waitForSeq(vault, 3);
    (await ana.patch(`/api/vaults/${vault.id}/members/ben`, { role: 'viewer' })).expectStatus(200);
    const second = await nodes.connect(1, 'ben');
    const joined = await second.join(vault, { since: 3, epoch });
    assert.deepEqual([joined.seq, joined.replayed, joined.role, joined.resync], [7, 4, 'viewer', undefined]);
    await second.waitForSeq(vault, 7);
    assert.deepEqual(seqsOf(second, vault), range(4, 7));
    await second.expectError('source:created', { vaultId: vault.id, source: PAPER }, 'INSUFFICIENT_PERMISSIONS');
  }));

test('a user removed on one node leaves the vault on all nodes', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const [ben, witness] = [await nodes.connect(1, 'ben'), await nodes.connect(1, 'ana')];
    for (const client of [ben, witness]) await client.join(vault);
    const ana = nodes.user(0, 'ana');
    await httpApi(ana).create(vault, PAPER);
    (await ana.delete(`/api/vaults/${vault.id}/members/ben`)).expectStatus(204);
    await httpApi(ana).create(vault, PAPER);
    const error = await ben.nextEvent('error');
    assert.deepEqual([error.code, error.details.vaultId], ['ACCESS_DENIED', vault.id]);
    await witness.waitForSeq(vault, 4);
    assert.deepEqual(seqsOf(witness, vault), range(2, 4));
    assert.deepEqual(seqsOf(ben, vault), [2, 3]);
    assert.deepEqual(ben.eventsOf(vault).at(-1).event, 'member:removed');

    (await ana.delete(`/api/vaults/${vault.id}`)).expectStatus(204);
    await witness.nextEvent('vault:deleted', ({ vaultId }) => vaultId === vault.id);
  }));

test('without a bus, the sweep delivers the events of other nodes', options, () =>
  Nodes.run(2, { VAULTCAST__CLUSTER__BUS: 'off' }, async (nodes) => {
    const vault = await nodes.newVault();
    const client = await nodes.connect(1, 'ana');
    await client.join(vault);
    for (const _ of range(1, 5)) {
      const took = await delay(nodes.user(0, 'ana'), vault, client);
      assert(took < SWEEP_LIMIT, `${took} ms`);
      // Another phase of the sweep.
      await pause(130);
    }
    assert.deepEqual(seqsOf(client, vault), range(2, 6));
    assert.equal(await nodes.probes[1].read('hints_received_total'), 0);
  }));

test('a bus whose connections are cut is connected again, and no event is missed meanwhile', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const client = await nodes.connect(1, 'ana');
    await client.join(vault);
    const ana = nodes.user(0, 'ana');
    const { name } = nodes.services[0].database;
    const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}' AND (query LIKE 'SELECT pg_notify%' OR query LIKE 'LISTEN%')`;
    for (const _ of range(1, 3)) {
      const connects = await nodes.probes[1].read('bus_connects_total');
      await psql(cut);
      const took = await delay(ana, vault, client);
      assert(took < SWEEP_LIMIT, `${took} ms`);
      await nodes.probes[1].waitForMetric('bus_connects_total', (n) => n > connects);
    }
    await nodes.waitForPeers();
    const received = await nodes.probes[1].read('hints_received_total');
    await delay(ana, vault, client);
    await nodes.probes[1].waitForMetric('hints_received_total', (n) => n > received);
    assert.deepEqual(seqsOf(client, vault), range(2, 5));
    assert.match(nodes.services[1].output, / WARN .*bus between nodes unavailable/);
    assert.match(nodes.services[1].output, / INFO .*bus between nodes available again/);
  }));

test('Redis carries hints, and the sweep takes over while it is stopped or gone', options, async () => {
  const redis = await RedisServer.start();
  try {
    await Nodes.run(2, { VAULTCAST__CLUSTER__BUS: redis.url }, async (nodes) => {
      await nodes.waitForPeers();
      const vault = await nodes.newVault();
      const client = await nodes.connect(1, 'ana');
      await client.join(vault);
      const ana = nodes.user(0, 'ana');
      await delay(ana, vault, client);
      await nodes.probes[1].waitForMetric('hints_received_total', (n) => n > 0);

      redis.signal('SIGSTOP');
      assert((await delay(ana, vault, client)) < SWEEP_LIMIT);
      await nodes.probes[1].waitForMetric('bus_up', (up) => up === 0);
      assert((await delay(ana, vault, client)) < SWEEP_LIMIT);
      redis.signal('SIGCONT');
      await nodes.waitForPeers();

      await redis.kill();
      assert((await delay(ana, vault, client)) < SWEEP_LIMIT);
      await nodes.probes[1].waitForMetric('bus_up', (up) => up === 0);
      await redis.restart();
      await nodes.waitForPeers();
      const received = await nodes.probes[1].read('hints_received_total');
      await delay(ana, vault, client);
      await nodes.probes[1].waitForMetric('hints_received_total', (n) => n > received);
      assert.deepEqual(seqsOf(client, vault), range(2, 6));
    });
  } finally {
    await redis.dispose();
  }
});

test('a node that is stopped in the middle of writing delays the others by seconds at most, and misses nothing', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const [stopped, other] = [await nodes.connect(0, 'ana', { transports: ['websocket'] }), await nodes.connect(1, 'ana')];
    for (const client of [stopped, other]) await client.join(vault);
    const [here, there] = [nodes.user(0, 'ana').withLongTimeout(), nodes.user(1, 'ana').withLongTimeout()];
    let isWriting = true;
    const writers = range(1, 8).map(async () => {
      while (isWriting) await httpApi(here).create(vault, PAPER);
    });
    await other.waitForSeq(vault, 20);
    nodes.services[0].signal('SIGSTOP');
    isWriting = false;
    const from = performance.now();
    // A lock that the stopped node holds may refuse an attempt (VAULT_BUSY, UNAVAILABLE).
    for (;;) {
      const { status } = await there.post(`/api/vaults/${vault.id}/sources`, PAPER);
      if (status === 201) break;
      assert.equal(status, 503);
      await pause(100);
    }
    const took = performance.now() - from;
    assert(took < 15_000, `${took} ms`);
    nodes.services[0].signal('SIGCONT');
    await Promise.allSettled(writers);
    const { seq } = await httpApi(there).create(vault, PAPER);
    for (const client of [stopped, other]) {
      await client.waitForSeq(vault, seq);
      assert.deepEqual(seqsOf(client, vault), range(2, seq));
    }
  }));

test('a node that is stopped while its transaction is open holds up the writes of its vaults for fifteen seconds at most', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    const vault = await nodes.newVault();
    const { url } = nodes.services[0].database;
    const lock = psql('BEGIN; LOCK TABLE vault_events IN EXCLUSIVE MODE; SELECT pg_sleep(4); COMMIT', url);
    const held = "SELECT COUNT(*) FROM pg_locks WHERE relation = 'vault_events'::regclass AND mode = 'ExclusiveLock' AND granted";
    while ((await psql(held, url)) === '0') await pause(20);
    const written = httpApi(nodes.user(0, 'ana').withLongTimeout()).create(vault, PAPER);
    const waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while ((await psql(waiting, url)) === '0') await pause(20);
    nodes.services[0].signal('SIGSTOP');
    await lock;
    const there = nodes.user(1, 'ana').withLongTimeout();
    const from = performance.now();
    for (;;) {
      const { status } = await there.post(`/api/vaults/${vault.id}/sources`, PAPER);
      if (status === 201) break;
      assert.equal(status, 503);
    }
    const took = performance.now() - from;
    assert(took < 15_000, `${took} ms`);
    nodes.services[0].signal('SIGCONT');
    // The mutation of the stopped node is written again, or refused.
    await written.catch(() => {});
    await nodes.services[1].run('verify');
  }));
