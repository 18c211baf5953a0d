// Three nodes behind nginx under load: a rolling restart, and nodes that are killed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onPostgres } from './database.mjs';
import { readJournals } from './journals.mjs';
import { ResumingClient } from './resuming-client.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { ThreeNodes } from './three-nodes.mjs';

const CLIENTS = 32;
const WRITERS = 4;
const KILLS = 5;

/** Creates sources one after the other until it is stopped, each until it is acknowledged, and returns their titles. */
async function write(user, vault, writer, isStopped) {
  const acknowledged = [];
  for (let index = 0; !isStopped(); index++) {
    const title = `${writer}.${index}`;
    const headers = { 'idempotency-key': title };
    for (;;) {
      // A node that ends closes its connections. With the key, the request may be sent again.
      const answer = await user.post(`/api/vaults/${vault.id}/sources`, { ...PAPER, title }, headers).catch(() => undefined);
      if (answer?.status === 201) break;
      if (answer) assert([502, 503].includes(answer.status), `${answer.status} ${answer.text}`);
      await pause(20);
    }
    acknowledged.push(title);
  }
  return acknowledged;
}

/**
 * Runs `disturb` while clients follow a vault through nginx and writers change it. Asserts that the journal contains what was
 * acknowledged, nothing else, and that each client has applied each event once and in order.
 */
async function underLoad(disturb) {
  const nodes = await ThreeNodes.start();
  const clients = [];
  try {
    const ana = new TestUser(nodes, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
    const vault = (await ana.post('/api/vaults', { name: 'Shared' })).expectStatus(201).body;
    for (const index of range(1, CLIENTS)) {
      const transports = [['polling'], ['polling', 'websocket'], ['websocket'], ['websocket']][index % 4];
      clients.push(new ResumingClient(nodes.url, [vault], { auth: { token: ana.token() }, transports }));
    }
    for (const client of clients) await client.waitForConnections(1);
    const sockets = await nodes.sockets();
    assert.equal(sockets.reduce((sum, count) => sum + count), CLIENTS);
    // Clients that begin by polling come from one address, so nginx sends them to one node. The others reach any.
    assert(sockets.filter((count) => count > 0).length > 1, `sockets of the nodes: ${sockets}`);

    let isStopped = false;
    const writing = range(1, WRITERS).map((writer) => write(ana, vault, writer, () => isStopped));
    const [client] = clients;
    /** Waits until further events are written and delivered. */
    const progress = () => {
      const expected = client.eventsOf(vault).length + 50;
      return client.waitFor(() => client.eventsOf(vault).length >= expected || undefined, () => `no progress; ${client}`);
    };
    await disturb(nodes, progress).finally(() => (isStopped = true));
    const acknowledged = (await Promise.all(writing)).flat();

    const events = (await readJournals(ana, [vault])).get(vault);
    assert.deepEqual(events.map(({ payload }) => payload.source.title).toSorted(), acknowledged.toSorted());
    for (const client of clients) {
      await client.waitForConnections(1);
      await client.waitForSeq(vault, events.at(-1).seq);
      assert.deepEqual(client.resyncs, []);
      assert.deepEqual(client.eventsOf(vault), events);
    }
  } catch (error) {
    console.error(nodes.output);
    throw error;
  } finally {
    for (const client of clients) client.close();
    await nodes.dispose();
  }
}

const options = { skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set', timeout: 300_000 };

test('a rolling restart of three nodes loses nothing that was acknowledged, and each client receives each event once', options, () =>
  underLoad((nodes) => nodes.roll()));

test('nodes that are killed in a stream of mutations lose nothing that was acknowledged, and each client receives each event once', options, () =>
  underLoad(async (nodes, progress) => {
    for (const kill of range(1, KILLS)) {
      await progress();
      await nodes.kill(kill % 3);
    }
    await progress();
  }));
