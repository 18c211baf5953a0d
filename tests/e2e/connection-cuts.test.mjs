// An unreliable network: two hundred cuts of several kinds at random moments during a stream of mutations.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ResumingClient } from './resuming-client.mjs';
import { range } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';
import { TestServer } from './test-server.mjs';
import { CreateLoad } from './create-load.mjs';
import { readJournals } from './journals.mjs';

const CUTS = 200;

/** The timeout of a connection attempt, in milliseconds. A client whose WebSocket closes before the first packet waits for it. */
const CONNECT_TIMEOUT = 3_000;

/** The transports of each client whose connection is cut. */
const TRANSPORTS = [['websocket'], ['websocket'], ['polling'], ['polling'], ['polling', 'websocket']];

/** The kinds of cuts. A cut may hit a client at any moment, even during its reconnect after the previous cut. */
const CUT_KINDS = [
  (proxy) => proxy.cut(),
  // The service keeps its side of the connection open.
  (proxy) => proxy.makeHalfOpen(),
  // The client receives nothing for a while before the connection breaks.
  async (proxy, load) => {
    proxy.discardServerData();
    await load.waitForMore(5);
    proxy.cut();
  },
];

let service;
const open = [];
after(async () => {
  for (const resource of open.reverse()) await resource.close();
  await service?.dispose();
});

test('two hundred cuts during a stream of mutations lose no event and duplicate none', { timeout: 300_000 }, async () => {
  // A client that is cut during its upgrade notices only when the heartbeat fails, so the heartbeat is short.
  service = await TestServer.start('serve', { VAULTCAST__SOCKETIO__PING_INTERVAL: '1s', VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s' });
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  const vaults = [];
  for (const number of range(1, 3)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).expectStatus(201).body.id });

  const cutClients = [];
  for (const transports of TRANSPORTS) {
    const proxy = await CuttingProxy.start(service);
    const client = new ResumingClient(proxy.url, vaults, { transports, timeout: CONNECT_TIMEOUT, auth: { token: ana.token() } });
    open.push(proxy, client);
    cutClients.push({ proxy, client });
    await client.waitForConnections(1);
  }

  const load = new CreateLoad([ana], vaults);
  open.push(load);
  const cutRepeatedly = async ({ proxy, client }, number) => {
    for (const cut of range(1, CUTS / TRANSPORTS.length)) {
      // A client that was not recovered cannot miss events before it has joined its vaults again.
      const isNew = !client.connections.at(-1).recovered;
      if (isNew || cut % 2) await client.waitForConnections(1);
      await proxy.waitForConnection();
      await load.waitForMore((7 * cut + number) % 12);
      await CUT_KINDS[(cut + number) % CUT_KINDS.length](proxy, load);
      proxy.restore();
    }
    const connections = client.connections.length;
    if (!client.socket.connected) await client.waitForConnections(connections + 1);
  };
  await Promise.all(cutClients.map(cutRepeatedly));
  await load.waitForMore(20);
  await load.stop();

  const journals = await readJournals(ana, vaults);
  assert.deepEqual([load.refused, load.unknown], [[], []]);
  load.assertMatchesJournals(journals);
  for (const { client, proxy } of cutClients) {
    await client.assertMatchesJournals(journals, proxy.wire);
    client.assertRecovered();
  }
  const connections = cutClients.map(({ client }) => client.connections.length);
  console.log(`${load.acknowledged.length} events, ${connections} connections`);
});
