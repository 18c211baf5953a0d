// A bus between nodes that delivers messages twice, or seconds late.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nodes, options } from './nodes.mjs';
import { RedisProxy } from './redis-proxy.mjs';
import { RedisServer } from './redis-server.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';

/** How long an event may take without hints: a sweep each second, and the read after it. */
const SWEEP_LIMIT = 1_500;
/** How long a client may wait for the nodes to ask each other: a second, and the connection itself on a busy machine. */
const CLAIM_LIMIT = 2_500;

const seqsOf = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

/** Runs a test with two nodes whose bus is a Redis behind a proxy. */
async function withProxy(test) {
  const redis = await RedisServer.start();
  const bus = await RedisProxy.start(redis);
  try {
    await Nodes.run(2, { VAULTCAST__CLUSTER__BUS: bus.url }, async (nodes) => {
      await nodes.waitForPeers();
      await test(nodes, bus);
    });
  } finally {
    await bus.close();
    await redis.dispose();
  }
}

/** Lets the client of the proxy come back to this node, and returns its identity and how long that took. */
async function comeBack(nodes, proxy, client, node) {
  proxy.cut();
  proxy.setTarget(nodes.services[node]);
  const from = performance.now();
  proxy.restore();
  const identity = await client.nextEvent('connect');
  return { identity, took: performance.now() - from };
}

test('a bus that delivers each message twice repeats no event, and a client that comes back to another node is recovered once', options, () =>
  withProxy(async (nodes, bus) => {
    bus.copies = 2;
    const vault = await nodes.newVault();
    const followers = [await nodes.connect(0, 'ana'), await nodes.connect(1, 'ben')];
    for (const client of followers) await client.join(vault);
    const proxy = await nodes.startProxy(0);
    const traveller = await nodes.connectVia(proxy, { transports: ['websocket'] });
    const before = traveller.identity;
    await traveller.join(vault);
    for (const trip of range(1, 6)) {
      for (const node of [0, 1]) await httpApi(nodes.user(node, 'ana')).create(vault, PAPER);
      const { identity } = await comeBack(nodes, proxy, traveller, trip % 2);
      assert.deepEqual(identity, { id: before.id, pid: before.pid, recovered: true });
    }
    const { seq: last } = await httpApi(nodes.user(1, 'ana')).create(vault, PAPER);
    for (const client of [...followers, traveller]) {
      await client.waitForSeq(vault, last);
      assert.deepEqual(seqsOf(client, vault), range(2, last));
    }
    const sockets = await Promise.all(nodes.probes.map((probe) => probe.read('sockets{transport="websocket"}')));
    assert.deepEqual(sockets, [2, 1]);
  }));

test('a bus that is five seconds late delays no event by more than the sweep, and no client by more than a second', options, () =>
  withProxy(async (nodes, bus) => {
    const vault = await nodes.newVault();
    const follower = await nodes.connect(1, 'ana', { transports: ['websocket'] });
    const { seq: start, epoch } = await follower.join(vault);
    const proxy = await nodes.startProxy(0);
    const traveller = await nodes.connectVia(proxy, { transports: ['websocket'] });
    await traveller.join(vault);
    bus.delay = 5_000;
    for (const _ of range(1, 3)) {
      const { seq } = await httpApi(nodes.user(0, 'ana')).create(vault, PAPER);
      const from = performance.now();
      await follower.waitForSeq(vault, seq);
      assert(performance.now() - from < SWEEP_LIMIT, `${performance.now() - from} ms`);
      await traveller.waitForSeq(vault, seq);
    }
    // The question arrives when its answer is no longer waited for.
    const { identity, took } = await comeBack(nodes, proxy, traveller, 1);
    assert.equal(identity.recovered, false);
    assert(took < CLAIM_LIMIT, `${took} ms`);
    await traveller.join(vault, { since: seqsOf(traveller, vault).at(-1), epoch });
    // The late messages arrive, and change nothing.
    await nodes.probes[0].waitForMetric('bus_connects_total', (connects) => connects > 1);
    bus.delay = 0;
    await nodes.waitForPeers();
    const { seq: last } = await httpApi(nodes.user(0, 'ana')).create(vault, PAPER);
    for (const client of [follower, traveller]) {
      await client.waitForSeq(vault, last);
      assert.deepEqual(seqsOf(client, vault), range(start + 1, last));
    }
    assert.equal(traveller.disconnects.length, 1);
  }));
