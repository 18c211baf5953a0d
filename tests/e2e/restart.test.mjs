// Restarts of the service with many clients and a stream of mutations. After a graceful shutdown the clients are recovered, by the same
// process or by another one on the same database; after a kill they resume with `since`.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { onPostgres } from './database.mjs';
import { httpApi } from './source-api.mjs';
import { ResumingClient } from './resuming-client.mjs';
import { PAPER, range, testEachTransportWith } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';
import { LOG_DISCONNECTS, TestServer } from './test-server.mjs';
import { assertCompleteStop } from './complete-stop.mjs';
import { CreateLoad } from './create-load.mjs';
import { readJournals } from './journals.mjs';

/** More than a stop takes, even on a busy machine. */
const SETTINGS = { VAULTCAST__SERVER__SHUTDOWN_GRACE: '1m' };

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

const open = [];
after(async () => {
  // In reverse order, so that clients are closed before their service.
  for (const resource of open.reverse()) await (resource.close ? resource.close() : resource.dispose());
});

const track = (resource) => (open.push(resource), resource);

const newAna = (service) => new TestUser(service, 'ana', 'Ana', 'ana@example.com');

async function newVaults(user, count) {
  const answers = await Promise.all(range(1, count).map((number) => user.post('/api/vaults', { name: `Vault ${number}` })));
  return answers.map((answer) => ({ id: answer.expectStatus(201).body.id }));
}

/** Opens `count` clients, each of which follows some of the vaults, and waits until they have joined. */
async function openClients(count, url, user, vaults) {
  const clients = range(1, count).map((number) => {
    const followed = vaults.filter((_, vault) => (vault + number) % 2);
    return track(new ResumingClient(url, followed, { transports: TRANSPORTS[number % TRANSPORTS.length], auth: { token: user.token() } }));
  });
  for (const client of clients) await client.waitForConnections(1);
  return clients;
}

/** Stops the service and asserts that the stop was complete within its grace period. */
async function stopInTime(service) {
  await service.stop();
  assertCompleteStop(service);
}

test('after a graceful shutdown all clients are recovered without a gap or a duplicate, also the second time', { timeout: 300_000 }, async () => {
  const service = track(await TestServer.start('serve', SETTINGS));
  const user = newAna(service);
  const vaults = await newVaults(user, 5);
  const clients = await openClients(50, service.url, user, vaults);
  const load = track(new CreateLoad([user], vaults));

  for (const stops of [1, 2]) {
    await load.waitForMore(100);
    for (const client of clients) await client.waitForUpgrade();
    await stopInTime(service);
    await service.restart();
    for (const client of clients) await client.waitForConnections(1 + stops);
  }
  await load.waitForMore(100);
  await load.stop();

  const journals = await readJournals(user, vaults);
  load.assertMatchesJournals(journals);
  for (const client of clients) {
    assert.equal(client.connections.length, 3);
    client.assertRecovered();
    await client.assertMatchesJournals(journals);
  }
});

test('after a kill no client is recovered, and all resume with since', { timeout: 300_000 }, async () => {
  const service = track(await TestServer.start('serve', SETTINGS));
  const user = newAna(service);
  const vaults = await newVaults(user, 5);
  const clients = await openClients(30, service.url, user, vaults);
  const load = track(new CreateLoad([user], vaults));
  await load.waitForMore(100);
  const before = clients.map(({ identity }) => identity);

  for (const client of clients) await client.waitForUpgrade();
  await service.kill();
  await service.restart();
  for (const client of clients) await client.waitForConnections(2);
  await load.waitForMore(100);
  await load.stop();

  const journals = await readJournals(user, vaults);
  load.assertMatchesJournals(journals);
  for (const [index, client] of clients.entries()) {
    const { id, pid, recovered } = client.identity;
    assert.deepEqual([recovered, id === before[index].id, pid === before[index].pid], [false, false, false]);
    await client.assertMatchesJournals(journals);
  }
});

test('a second process on the same database recovers the clients of a stopped one, and the first recovers them after its restart', { timeout: 300_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  const first = track(await TestServer.start('serve', SETTINGS));
  const second = track(await TestServer.start('serve', { ...SETTINGS, DATABASE_URL: first.database.url }));
  const proxy = track(await CuttingProxy.start(first));
  const user = newAna(first);
  const vaults = await newVaults(user, 5);
  const clients = await openClients(30, proxy.url, user, vaults);

  // The load writes to both processes all the time.
  const load = track(new CreateLoad([user, newAna(second)], vaults));
  await load.waitForMore(100);
  for (const client of clients) await client.waitForUpgrade();
  proxy.setTarget(second);
  await stopInTime(first);
  for (const client of clients) await client.waitForConnections(2);

  await load.waitForMore(100);
  await first.restart();
  for (const client of clients) await client.waitForUpgrade();
  proxy.setTarget(first);
  await stopInTime(second);
  for (const client of clients) await client.waitForConnections(3);
  await second.restart();
  await load.waitForMore(100);
  await load.stop();

  // A process reads the other's last mutations when it next handles a request for the vault.
  for (const vault of vaults) await httpApi(user).create(vault, { ...PAPER, title: `the last of ${vault.id}` });
  const journals = await readJournals(user, vaults);
  for (const client of clients) {
    assert.equal(client.connections.length, 3);
    client.assertRecovered();
    await client.assertMatchesJournals(journals);
  }
  for (const events of journals.values()) events.pop();
  load.assertMatchesJournals(journals);
});

const testEachTransport = testEachTransportWith({ ...SETTINGS, ...LOG_DISCONNECTS });

const seqs = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

testEachTransport('a client that was disconnected during restarts of the service is recovered', async ({ service, newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(shared);
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 1);

  const restartTwice = async () => {
    for (const _ of range(1, 2)) {
      await httpApi(ana).create(shared, PAPER);
      await service.stop();
      await service.restart();
    }
    await httpApi(ana).create(shared, PAPER);
  };
  assert.deepEqual(await proxy.interrupt(client, restartTwice), { ...before, recovered: true });
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 5);
  assert.deepEqual(seqs(client, shared), range(1, 5));
});

testEachTransport('events that were queued for a client at the stop are delivered once', async ({ service, newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const before = client.identity;
  await client.join(shared);

  // The pending poll returns the first event. The next poll is held, and the other events are queued for it.
  await proxy.waitForReceiver();
  proxy.holdConnections();
  for (const _ of range(1, 3)) await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 1);
  const stopped = service.stop();
  while ((await fetch(`${service.url}/readyz`).catch(() => undefined))?.ok);
  proxy.restore();
  await client.nextEvent('disconnect');
  await stopped;

  await service.restart();
  assert.deepEqual(await client.nextEvent('connect'), { ...before, recovered: true });
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 4);
  assert.deepEqual(seqs(client, shared), range(1, 4));
});

testEachTransport('a client that vanished between two polls does not delay the stop', async ({ service, newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  await client.join(shared);
  await proxy.waitForReceiver();
  proxy.holdConnections();
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 1);
  try {
    await stopInTime(service);
  } finally {
    await service.restart();
  }
});

testEachTransport('a client that left a vault or disconnected before the stop is not subscribed afterwards', async ({ service, newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const [shared, left] = [await newVault(ana), await newVault(ana)];
  const [client, leaver] = [await connectClient(ana), await connectClient(ana)];
  const before = { client: client.identity, leaver: leaver.identity };
  for (const subscriber of [client, leaver]) {
    await subscriber.join(shared);
    await subscriber.join(left);
  }
  leaver.socket.disconnect();
  await service.waitForDisconnected(before.leaver.id);
  await client.emitOk('vault:leave', left.id);

  await client.waitForUpgrade();
  await service.stop();
  await service.restart();
  leaver.socket.connect();
  assert.deepEqual(await client.nextEvent('connect'), { ...before.client, recovered: true });
  const reconnected = await leaver.nextEvent('connect');
  assert.deepEqual([reconnected.recovered, reconnected.id === before.leaver.id, reconnected.pid === before.leaver.pid], [false, false, false]);
  for (const vault of [left, shared]) await httpApi(ana).create(vault, PAPER);
  await client.waitForSeq(shared, 1);
  await leaver.join(left);
  await client.join(left);
  assert.deepEqual([seqs(client, shared), seqs(client, left)], [[1], []]);
  assert.deepEqual([seqs(leaver, shared), seqs(leaver, left)], [[], []]);
});

testEachTransport('after the epoch was renewed no client is recovered', async ({ service, newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  const before = client.identity;
  const { epoch } = await client.join(shared);

  await client.waitForUpgrade();
  await service.stop();
  await service.run('epoch', 'renew');
  await service.restart();
  await httpApi(ana).create(shared, PAPER);
  const { id, pid, recovered } = await client.nextEvent('connect');
  assert.deepEqual([recovered, id === before.id, pid === before.pid], [false, false, false]);
  assert.equal((await client.join(shared, { since: 0, epoch })).resync, true);
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 2);
  assert.deepEqual(seqs(client, shared), [2]);
});
