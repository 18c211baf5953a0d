// Three nodes behind nginx under load: a rolling restart, nodes that are killed, and a database that fails under all of them.

import { test } from 'node:test';
import { onPostgres } from './database.mjs';
import { underLoad } from './nodes-under-load.mjs';
import { PostgresServer } from './postgres-server.mjs';
import { range } from './test-context.mjs';
import { freePort } from './test-server.mjs';

const KILLS = 5;
const FAILOVERS = 2;

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

test('a database that fails and comes back under three nodes loses nothing that was acknowledged, and each client receives each event once', options, async () => {
  const postgres = await PostgresServer.start(await freePort());
  try {
    const database = { url: postgres.url, create: () => {}, drop: () => {} };
    await underLoad(async (nodes, progress) => {
      for (const failover of range(1, FAILOVERS)) {
        await progress();
        // The second time the server stays, and only the connections are lost.
        if (failover % 2) {
          await postgres.kill();
          await nodes.waitForReadiness(503);
          await postgres.restart();
        } else {
          await postgres.resetConnections();
        }
        await nodes.waitForReadiness(200);
      }
      await progress();
    }, { database });
  } finally {
    await postgres.dispose();
  }
});
