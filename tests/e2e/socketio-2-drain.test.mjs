// A stop of the service with clients of Socket.IO 2: they lose their transport, reconnect by themselves to the restarted service, join
// again with `since`, and miss no event.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { assertCompleteStop } from './complete-stop.mjs';
import { CreateLoad } from './create-load.mjs';
import { PAPER, range } from './fixtures.mjs';
import { OldClient, testEachOldClientWith, testOldClientsTogetherWith } from './old-client.mjs';
import { httpApi } from './source-api.mjs';

/** More than a stop takes, even on a busy machine. */
const SETTINGS = { VAULTCAST__SERVER__SHUTDOWN_GRACE: '1m' };

const testEachOldClient = testEachOldClientWith(SETTINGS);
// The stop of all clients takes some seconds, in which others try to connect.
const testOldClientsTogether = testOldClientsTogetherWith({ ...SETTINGS, VAULTCAST__SERVER__DRAIN_RATE: '2' });

testEachOldClient('a client reconnects after a graceful stop and receives every event once', async ({ service, connectClient, newUser, newVault }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const vault = await newVault(ana, { viewer: [ben] });
  const client = await connectClient(ben);
  await client.waitForUpgrade();
  const { seq, epoch } = await client.join(vault);
  const lastSeq = () => client.eventsOf(vault).at(-1)?.seq ?? seq;
  // As the contract's example does it.
  client.socket.on('reconnect', () => client.emit('vault:join', { vaultId: vault.id, since: lastSeq(), epoch }));
  const load = new CreateLoad([ana], [vault]);
  try {
    await load.waitForMore(20);
    await service.stop();
    assertCompleteStop(service);
    assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);

    await service.restart();
    await client.nextEvent('reconnect_attempt');
    await client.nextEvent('reconnect');
    const joined = await client.nextEvent('vault:joined');
    assert.equal(joined.resync, undefined);
    await load.waitForMore(20);
  } finally {
    await load.stop();
  }
  const { seq: last } = await httpApi(ana).create(vault, PAPER);
  await client.waitForSeq(vault, last);
  assert.deepEqual(client.eventsOf(vault).map((event) => event.seq), range(seq + 1, last));
  const received = new Set(client.eventsOf(vault).map(({ payload }) => payload.source.title));
  for (const { title } of load.acknowledged) assert(received.has(title), `${title} was acknowledged, but not received`);
  assert.equal(client.disconnects.length, 1);
});

testOldClientsTogether('while the service drains no client can connect, and all are connected after its restart', async (contexts) => {
  const [{ service }] = contexts;
  const connected = await Promise.all(contexts.map(({ newUser, connectClient }) => connectClient(newUser('ana'))));
  for (const client of connected) await client.waitForUpgrade();
  service.signal('SIGTERM');
  await service.waitForOutput(/draining/);
  const late = contexts.map(({ newUser, openClient }) => openClient(OldClient.credentials(newUser('ben').token())));
  for (const client of late) assert.match((await client.nextEvent('connect_error')).message, /^(xhr poll|websocket) error$/);
  await service.waitForExit();
  assertCompleteStop(service);
  for (const client of connected) assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);

  await service.restart();
  for (const client of [...late, ...connected]) await client.nextEvent('connect');
});
