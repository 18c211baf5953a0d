// Three nodes behind nginx with writers and followers of one vault, while something fails.

import assert from 'node:assert/strict';
import { readJournals } from './journals.mjs';
import { ResumingClient } from './resuming-client.mjs';
import { range } from './fixtures.mjs';
import { TestUser } from './test-user.mjs';
import { ThreeNodes } from './three-nodes.mjs';
import { write } from './writers.mjs';

const CLIENTS = 32;
const WRITERS = 4;

/**
 * Runs `disturb` while clients follow a vault through nginx and writers change it. Asserts that the journal contains what was
 * acknowledged, nothing else, and that each client has applied each event once and in order. Returns figures of the run.
 */
export async function underLoad(disturb, options) {
  const nodes = await ThreeNodes.start(options);
  const clients = [];
  try {
    const ana = new TestUser(nodes, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
    const vault = (await ana.post('/api/vaults', { name: 'Shared' })).expectStatus(201).body;
    for (const index of range(1, CLIENTS)) {
      const transports = [['polling'], ['polling', 'websocket'], ['websocket'], ['websocket']][index % 4];
      // A token of its own for each connection: a long run outlives a token.
      const auth = (send) => send({ token: ana.token() });
      clients.push(new ResumingClient(nodes.url, [vault], { auth, transports }));
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
    const connections = clients.flatMap(({ connections }) => connections);
    const recovered = connections.filter((connection) => connection.recovered).length;
    return { events: events.length, connections: connections.length, recovered };
  } catch (error) {
    console.error(nodes.output);
    throw error;
  } finally {
    for (const client of clients) client.close();
    await nodes.dispose();
  }
}
