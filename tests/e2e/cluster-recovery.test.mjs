// Clients that come back to another node than before: whether they are recovered there, and how long they wait.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nodes, options } from './nodes.mjs';
import { RedisServer } from './redis-server.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';

/** The longest wait for the answers of other nodes is a second; the rest is the connection itself, on a busy machine. */
const WAIT_LIMIT = 2_500;

const TRANSPORTS = [{}, { transports: ['websocket'] }, { transports: ['polling'] }];

const seqsOf = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

/** Creates a source through a node that runs. */
const create = (nodes, node, vault) => httpApi(nodes.user(node, 'ana')).create(vault, PAPER);

/** Reads how many claims of this node had this outcome. */
const claims = (nodes, node, outcome) => nodes.probes[node].read(`peer_claims_total{outcome="${outcome}"}`);

/** Lets the client of the proxy come back to this node, and returns its identity and how long that took. */
async function comeBack(nodes, proxy, client, node) {
  proxy.setTarget(nodes.services[node]);
  const from = performance.now();
  proxy.restore();
  const identity = await client.nextEvent('connect');
  return { identity, took: performance.now() - from };
}

const recoveredFrom = ({ id, pid }) => ({ id, pid, recovered: true });

const COMES_BACK = 'a client that comes back to another node is recovered while the first one runs';

for (const settings of TRANSPORTS) {
  test(`${COMES_BACK} (${settings.transports?.[0] ?? 'default settings'})`, options, () =>
    Nodes.run(2, {}, async (nodes) => {
      await nodes.waitForPeers();
      const vault = await nodes.newVault();
      const proxy = await nodes.startProxy(0);
      const client = await nodes.connectVia(proxy, settings);
      const before = client.identity;
      const { seq } = await client.join(vault);
      for (const trip of range(1, 6)) {
        const [here, there] = trip % 2 ? [0, 1] : [1, 0];
        await client.waitForUpgrade();
        await create(nodes, here, vault);
        const { seq: last } = await create(nodes, there, vault);
        // The client may have received none, some or all of them.
        if (trip % 3) await client.waitForSeq(vault, last);
        const isHalfOpen = trip > 2;
        // The first node has the connection still, or has noticed its end.
        if (isHalfOpen) await proxy.makeHalfOpen();
        else proxy.cut();
        await create(nodes, here, vault);
        await create(nodes, there, vault);
        const { identity } = await comeBack(nodes, proxy, client, there);
        assert.deepEqual(identity, recoveredFrom(before));
        // Idle connections of a polling client stay open.
        if (isHalfOpen && settings.transports?.[0] === 'websocket') await proxy.waitForHalfOpenClosed();
      }
      const { seq: last } = await create(nodes, 1, vault);
      await client.waitForSeq(vault, last);
      assert.deepEqual(seqsOf(client, vault), range(seq + 1, last));
      for (const node of [0, 1]) {
        assert.equal(await claims(nodes, node, 'handed over'), 3);
        assert.equal(await nodes.probes[node].read('peer_claims_answered_total{answer="yes"}'), 3);
        assert.equal(await nodes.probes[node].read('peer_claims_pending'), 0);
      }
    }));
}

test('the later CONNECT with a pid takes the connection over from another node', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const first = await nodes.connect(0, 'ana', { reconnection: false });
    const before = first.identity;
    const { seq } = await first.join(vault);
    await create(nodes, 0, vault);
    await first.waitForSeq(vault, seq + 1);
    const second = nodes.claimant(1, first);
    second.socket.connect();
    assert.deepEqual(await second.nextEvent('connect'), recoveredFrom(before));
    await first.nextEvent('disconnect');
    const { seq: last } = await create(nodes, 0, vault);
    await second.waitForSeq(vault, last);
    assert.deepEqual([seqsOf(first, vault), seqsOf(second, vault)], [[seq + 1], [seq + 2]]);
  }));

test('the pid of another user takes nothing over from another node', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const first = await nodes.connect(0, 'ana');
    const { seq } = await first.join(vault);
    const second = nodes.claimant(1, first, { auth: { token: nodes.user(1, 'ben').token() } });
    second.socket.connect();
    const { recovered, pid } = await second.nextEvent('connect');
    assert.equal(recovered, false);
    assert.notEqual(pid, first.identity.pid);
    await create(nodes, 0, vault);
    await first.waitForSeq(vault, seq + 1);
    assert.deepEqual(first.disconnects, []);
  }));

test('of two clients that claim one pid on two nodes at the same time, exactly one has the connection', options, () =>
  Nodes.run(3, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    for (const round of range(1, 10)) {
      const first = await nodes.connect(0, 'ana', { reconnection: false, transports: ['websocket'] });
      const before = first.identity;
      await first.join(vault);
      // Half of the time the connection is open.
      if (round % 2) {
        first.socket.io.engine.close();
        await first.nextEvent('disconnect');
      }
      const claimants = [1, 2].map((node) => nodes.claimant(node, first, { reconnection: false, transports: ['websocket'] }));
      for (const claimant of claimants) claimant.socket.connect();
      const identities = await Promise.all(claimants.map((claimant) => claimant.nextEvent('connect')));
      const recovered = identities.filter(({ id }) => id === before.id);
      assert(recovered.length > 0, JSON.stringify(identities));
      for (const identity of recovered) assert.deepEqual(identity, recoveredFrom(before));
      // If the second CONNECT came late enough, it has taken the connection over from the first.
      if (recovered.length === 2) await Promise.race(claimants.map((claimant) => claimant.nextEvent('disconnect')));
      const holders = claimants.filter(({ socket }) => socket.id === before.id);
      assert.equal(holders.length, 1);
      const { seq } = await create(nodes, round % 3, vault);
      await holders[0].waitForSeq(vault, seq);
      assert.deepEqual(seqsOf(holders[0], vault), [seq]);
      for (const client of [first, ...claimants]) client.close();
    }
  }));

test('after an orderly stop of its node a client is recovered on another one without a claim', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const proxy = await nodes.startProxy(0);
    const client = await nodes.connectVia(proxy);
    const before = client.identity;
    const { seq } = await client.join(vault);
    await client.waitForUpgrade();
    proxy.holdConnections();
    await nodes.services[0].stop();
    await create(nodes, 1, vault);
    const { identity } = await comeBack(nodes, proxy, client, 1);
    assert.deepEqual(identity, recoveredFrom(before));
    await client.waitForSeq(vault, seq + 1);
    assert.equal(await claims(nodes, 1, 'handed over'), 0);
  }));

test('after a kill of its node a client is a new connection on another one, and waits for a second at most', options, () =>
  Nodes.run(2, {}, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const proxy = await nodes.startProxy(0);
    const clients = [];
    for (const _ of range(1, 5)) clients.push(await nodes.connectVia(proxy, { transports: ['websocket'] }));
    const { seq, epoch } = await clients[0].join(vault);
    await create(nodes, 1, vault);
    await clients[0].waitForSeq(vault, seq + 1);
    proxy.holdConnections();
    await nodes.services[0].kill();
    await create(nodes, 1, vault);
    const { identity, took } = await comeBack(nodes, proxy, clients[0], 1);
    assert.equal(identity.recovered, false);
    assert(took < WAIT_LIMIT, `${took} ms`);
    assert.equal((await clients[0].join(vault, { since: seq + 1, epoch })).replayed, 1);
    await clients[0].waitForSeq(vault, seq + 2);
    assert.deepEqual(seqsOf(clients[0], vault), [seq + 1, seq + 2]);
    for (const client of clients.slice(1)) assert.equal((await client.nextEvent('connect')).recovered, false);
    // The node has noticed that the other one does not answer, long before its heartbeats count no more.
    const asked = await claims(nodes, 1, 'timed out');
    const late = nodes.claimant(1, clients[1]);
    late.socket._pid = 'unknown';
    late.socket.connect();
    assert.equal((await late.nextEvent('connect')).recovered, false);
    assert.equal(await claims(nodes, 1, 'timed out'), asked);
    assert((await claims(nodes, 1, 'no peers')) > 0);
  }));

test('a stalled bus delays a client that comes back to another node for a second at most', options, async () => {
  const redis = await RedisServer.start();
  try {
    await Nodes.run(2, { VAULTCAST__CLUSTER__BUS: redis.url }, async (nodes) => {
      await nodes.waitForPeers();
      const vault = await nodes.newVault();
      const proxy = await nodes.startProxy(0);
      const client = await nodes.connectVia(proxy);
      const before = client.identity;
      const { seq, epoch } = await client.join(vault);
      await client.waitForUpgrade();

      // Redis carries claims as well.
      proxy.cut();
      assert.deepEqual((await comeBack(nodes, proxy, client, 1)).identity, recoveredFrom(before));

      await client.waitForUpgrade();
      redis.signal('SIGSTOP');
      proxy.cut();
      const { identity, took } = await comeBack(nodes, proxy, client, 0);
      redis.signal('SIGCONT');
      assert.equal(identity.recovered, false);
      assert(took < WAIT_LIMIT, `${took} ms`);
      await create(nodes, 1, vault);
      await client.join(vault, { since: seq, epoch });
      await client.waitForSeq(vault, seq + 1);
      assert.deepEqual(seqsOf(client, vault), [seq + 1]);
    });
  } finally {
    await redis.dispose();
  }
});

test('without a bus, a client that comes back to another node is a new connection at once', options, () =>
  Nodes.run(2, { VAULTCAST__CLUSTER__BUS: 'off' }, async (nodes) => {
    const proxy = await nodes.startProxy(0);
    const client = await nodes.connectVia(proxy);
    await client.waitForUpgrade();
    proxy.cut();
    assert.equal((await comeBack(nodes, proxy, client, 1)).identity.recovered, false);
    assert.equal(await claims(nodes, 1, 'no peers'), 0);
  }));
