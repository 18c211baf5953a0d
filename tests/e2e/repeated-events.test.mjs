// The official client may emit an event twice that the service sent twice at the request of the client. The wire shows the request,
// and a client that applies each event once by its `seq` is not affected.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { CuttingProxy } from './cutting-proxy.mjs';
import { PAPER, range } from './fixtures.mjs';
import { ResumingClient } from './resuming-client.mjs';
import { httpApi } from './source-api.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

/** A client notices after both times that it has received no ping. They are long enough for a busy machine. */
const HEARTBEAT = { VAULTCAST__SOCKETIO__PING_INTERVAL: '1500ms', VAULTCAST__SOCKETIO__PING_TIMEOUT: '1500ms' };
const HEARTBEAT_EXPIRED = 3_500;

const open = [];
after(async () => {
  for (const resource of open.reverse()) await (resource.dispose ? resource.dispose() : resource.close());
});

/** Blocks the event loop, as a busy machine or a suspended tab does. */
function stall(milliseconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Starts a service with two vaults of three sources each, and a proxy. */
async function startVaults(settings) {
  const service = await TestServer.start('serve', settings);
  const proxy = await CuttingProxy.start(service);
  open.push(service, proxy);
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  const vaults = [];
  for (const number of range(1, 2)) vaults.push((await ana.post('/api/vaults', { name: `Vault ${number}` })).expectStatus(201).body);
  const createInAll = async (count) => {
    for (const vault of vaults) for (const _ of range(1, count)) await httpApi(ana).create(vault, PAPER);
  };
  return { service, proxy, ana, vaults, createInAll };
}

/** Returns the numbers of all events of the vault that the official client emitted. */
const emitted = (client, vault) => TestClient.prototype.eventsOf.call(client, vault).map(({ seq }) => seq);

test('the official client joins twice if its heartbeat expired while it joined, and each event is applied once', async () => {
  // The join waits in the send buffer, and is sent at the next connect, before the client joins again.
  const { service, proxy, ana, vaults, createInAll } = await startVaults(HEARTBEAT);
  const client = new ResumingClient(proxy.url, vaults, { transports: ['websocket'], auth: { token: ana.token() } });
  open.push(client);
  await client.waitForConnections(1);
  await createInAll(3);
  for (const vault of vaults) await client.waitForSeq(vault, 3);

  proxy.cut();
  await service.kill();
  await service.restart();
  await createInAll(2);
  // The answer to the CONNECT packet is handled after the heartbeat has expired, but before its timer has fired.
  client.socket.io.once('open', () => client.socket.io.engine.once('data', () => stall(HEARTBEAT_EXPIRED)));
  const restarted = client.nextEvent('disconnect', (reason) => reason === 'ping timeout').then(async () => {
    proxy.cut();
    await service.kill();
    await service.restart();
    proxy.restore();
  });
  proxy.restore();
  await restarted;
  await client.waitForConnections(3);
  // Both joins have been answered. An event before the second answer would be repeated, too.
  const areRepeated = () => vaults.every((vault) => emitted(client, vault).length === 7);
  await client.waitFor(() => (areRepeated() ? true : undefined), () => `received ${vaults.map((vault) => emitted(client, vault))}`);
  await createInAll(1);
  for (const vault of vaults) await client.waitForSeq(vault, 6);
  for (const vault of vaults) {
    assert.deepEqual(emitted(client, vault), [1, 2, 3, 4, 5, 4, 5, 6]);
    assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(1, 6));
  }
  assert.equal(client.repeatedEvents.length, 4);
  assert.equal(proxy.wire.repeatedJoins, 2);
  assert.deepEqual(proxy.wire.unrequested, []);
});

test('the official client emits events twice if it disconnects while they are queued and is recovered', async () => {
  // The events wait in the receive buffer. Its offset does not include them, so the next connect requests them again.
  const { proxy, ana, vaults, createInAll } = await startVaults({});
  const client = new TestClient(proxy.url, { transports: ['websocket'], auth: { token: ana.token() } });
  open.push(client);
  await client.nextEvent('connect');
  for (const vault of vaults) await client.join(vault);
  await createInAll(3);
  for (const vault of vaults) await client.waitForSeq(vault, 3);

  // The answer to the CONNECT packet and the missed events are received together.
  const { connects } = proxy.wire;
  proxy.waitFor(() => (proxy.wire.connects > connects ? true : undefined), () => 'no CONNECT packet').then(() => stall(500));
  client.socket.once('connect', () => {
    // The DISCONNECT packet is lost, or arrives after the next CONNECT packet.
    proxy.discardClientData();
    client.socket.disconnect().connect();
  });
  await proxy.interrupt(client, () => createInAll(2));
  assert.equal((await client.nextEvent('connect')).recovered, true);
  await createInAll(1);
  for (const vault of vaults) await client.waitForSeq(vault, 6);
  for (const vault of vaults) assert.deepEqual(emitted(client, vault), [1, 2, 3, 4, 5, 4, 5, 6]);
  assert.deepEqual(proxy.wire.unrequested, []);
});
