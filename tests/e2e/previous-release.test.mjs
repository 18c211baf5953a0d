// The previous release beside this one on one database: nodes are updated one after the other, and back again. PREVIOUS_BIN names its
// binary, which tests/run builds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onPostgres } from './database.mjs';
import { readJournals } from './journals.mjs';
import { Nodes } from './nodes.mjs';
import { ResumingClient } from './resuming-client.mjs';
import { range } from './test-context.mjs';
import { write } from './writers.mjs';

const { PREVIOUS_BIN, VAULTCAST_BIN } = process.env;
const NODES = 3;

const reason = !PREVIOUS_BIN ? 'PREVIOUS_BIN is not set' : !onPostgres && 'TEST_POSTGRES_URL is not set';

test('a rolling update from the previous release, and back, loses nothing, and clients are recovered on nodes of both', { skip: reason, timeout: 300_000 }, () =>
  Nodes.run(NODES, { VAULTCAST_BIN: PREVIOUS_BIN }, async (nodes) => {
    await nodes.waitForPeers();
    const vault = await nodes.newVault();
    const auth = (send) => send({ token: nodes.user(0, 'ana').token() });
    // Each follower stays at its node. The traveller goes to the next one after each update.
    const transports = [['polling'], ['polling', 'websocket'], ['websocket']];
    const followers = nodes.services.map(({ url }, node) => new ResumingClient(url, [vault], { auth, transports: transports[node] }));
    const proxy = await nodes.startProxy(0);
    const traveller = new ResumingClient(proxy.url, [vault], { auth, transports: ['websocket'] });
    const clients = [...followers, traveller];
    try {
      for (const client of clients) await client.waitForConnections(1);
      let isStopped = false;
      const writing = range(0, NODES - 1).map((node) => write(nodes.user(node, 'ana'), vault, node, () => isStopped));
      const progress = async () => {
        const expected = followers[0].eventsOf(vault).length + 30;
        for (const client of clients) {
          await client.waitFor(() => client.eventsOf(vault).length >= expected || undefined, () => `no progress; ${client}`, 60_000);
        }
      };
      const updateAll = async (binary) => {
        for (const [node, service] of nodes.services.entries()) {
          await progress();
          await service.stop();
          service.settings.VAULTCAST_BIN = binary;
          await service.restart();
          await nodes.waitForPeers();
          // The first node that it goes to has the other version, and so has the next one.
          const count = traveller.connections.length;
          proxy.cut();
          proxy.setTarget(nodes.services[(node + 1) % NODES]);
          proxy.restore();
          await traveller.waitForConnections(count + 1);
        }
        await progress();
      };
      try {
        await updateAll(VAULTCAST_BIN);
        await updateAll(PREVIOUS_BIN);
      } finally {
        isStopped = true;
      }
      const acknowledged = (await Promise.all(writing)).flat();

      const events = (await readJournals(nodes.user(0, 'ana'), [vault])).get(vault);
      const titles = events.filter(({ payload }) => payload.source).map(({ payload }) => payload.source.title);
      assert.deepEqual(titles.toSorted(), acknowledged.toSorted());
      for (const client of clients) {
        await client.waitForSeq(vault, events.at(-1).seq);
        assert.deepEqual(client.resyncs, []);
        assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(client.startSeq(vault) + 1, events.length));
        client.assertRecovered();
      }
      assert(traveller.connections.length > 2 * NODES);
    } finally {
      for (const client of clients) client.close();
    }
  }));
