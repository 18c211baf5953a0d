// Nodes whose clocks differ by a minute, by libfaketime: the order of events, recovery and idempotency keys depend on no clock that
// two nodes share, and times are those of the node that has written.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nodes, options } from './nodes.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range } from './test-context.mjs';

/** By how many seconds the clock of each node is ahead. */
const AHEAD = [0, 60, -60];

/** Replaces the wall clock of a process. Timers follow the monotonic clock, which stays. */
const withClock = (node) => ({
  LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
  FAKETIME: `${AHEAD[node] < 0 ? '' : '+'}${AHEAD[node]}`,
  FAKETIME_DONT_FAKE_MONOTONIC: '1',
});

/** Returns by how many minutes the time of an event is ahead. */
const minutesAhead = ({ payload }) => Math.round((Date.parse(payload.timestamp) - Date.now()) / 60_000);

const seqsOf = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

const create = (nodes, node, vault) => httpApi(nodes.user(node, 'ana')).create(vault, PAPER);

test('nodes whose clocks differ deliver events in one order, each with the time of the node that has written it', options, () =>
  Nodes.run(AHEAD.length, withClock, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const clients = [];
    for (const node of AHEAD.keys()) {
      clients.push(await nodes.connect(node, 'ana'));
      await clients[node].join(vault);
    }
    const writers = [];
    for (const seq of range(2, 31)) {
      writers.push(seq % AHEAD.length);
      assert.equal((await create(nodes, writers.at(-1), vault)).seq, seq);
    }
    for (const client of clients) {
      await client.waitForSeq(vault, 31);
      assert.deepEqual(seqsOf(client, vault), range(2, 31));
      for (const [index, event] of client.eventsOf(vault).entries()) assert(minutesAhead(event) === AHEAD[writers[index]] / 60, `${index}: ${event.payload.timestamp}`);
    }

    const headers = { 'idempotency-key': 'the-same-on-all-nodes' };
    const answers = [];
    for (const node of AHEAD.keys()) answers.push(await nodes.user(node, 'ana').post(`/api/vaults/${vault.id}/sources`, PAPER, headers));
    for (const answer of answers) assert.deepEqual(answer.expectStatus(201).body, answers[0].body);

    // A session ends by the clock of the node that it is shown to.
    const statuses = [];
    for (const node of AHEAD.keys()) {
      const authorization = `Bearer ${nodes.user(node, 'ana').token({ ttl: 30 })}`;
      statuses.push((await nodes.user(node, 'ana').request('GET', '/api/me', undefined, { authorization })).status);
    }
    assert.deepEqual(statuses, [200, 401, 200]);
  }));

test('a client is recovered on nodes whose clocks differ, while its node runs and after an orderly stop', options, () =>
  Nodes.run(AHEAD.length, withClock, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const proxy = await nodes.startProxy(0);
    const client = await nodes.connectVia(proxy, { transports: ['websocket'] });
    const before = client.identity;
    const { seq } = await client.join(vault);
    const goTo = async (node, leave = () => proxy.cut()) => {
      await leave();
      await create(nodes, node, vault);
      proxy.setTarget(nodes.services[node]);
      proxy.restore();
      assert.deepEqual(await client.nextEvent('connect'), { id: before.id, pid: before.pid, recovered: true });
    };
    for (const node of [1, 2, 0, 2]) await goTo(node);
    /** Stops a node, whose client waits before it comes back. */
    const stop = (node) => async () => {
      proxy.holdConnections();
      await nodes.services[node].stop();
    };
    // From the latest clock to the earliest and back: two minutes.
    await goTo(1, stop(2));
    await nodes.services[2].restart();
    await goTo(2, stop(1));
    await client.waitForSeq(vault, seq + 6);
    assert.deepEqual(seqsOf(client, vault), range(seq + 1, seq + 6));
  }));
