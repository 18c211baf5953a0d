// A client that reconnects before the service has noticed the loss of its old connection. The old connection is half-open, and what
// the service sends on it is lost. Of two connections with one pid the later one is kept.

import assert from 'node:assert/strict';
import { httpApi } from './source-api.mjs';
import { PAPER, range, testEachTransport, testEachTransportWith } from './test-context.mjs';

const seqs = (client, vault) => client.eventsOf(vault).map(({ seq }) => seq);

const createSources = async (user, vault, count) => {
  for (const _ of range(1, count)) await httpApi(user).create(vault, PAPER);
};

testEachTransport('a client that reconnects while its old connection is half-open is recovered, and the old connection is closed', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const { id, pid } = client.identity;
  await client.join(shared);
  await createSources(ana, shared, 2);
  await client.waitForSeq(shared, 2);

  for (const round of range(1, 3)) {
    // From here on the client does not receive what the service sends.
    await client.waitForUpgrade();
    await proxy.waitForReceiver();
    await proxy.makeHalfOpen();
    await createSources(ana, shared, 3);
    proxy.restore();
    await client.nextEvent('disconnect');
    assert.deepEqual(await client.nextEvent('connect'), { id, pid, recovered: true }, `round ${round}`);
    await proxy.waitForHalfOpenClosed();
    await createSources(ana, shared, 1);
    await client.waitForSeq(shared, 2 + 4 * round);
    assert.deepEqual(seqs(client, shared), range(1, 2 + 4 * round));
  }
});

testEachTransport('of two connections with one pid the later receives all events and the earlier is closed', async ({ newUser, newVault, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const earlier = await connectClient(ana, { reconnection: false });
  const { id, pid } = earlier.identity;
  await earlier.join(shared);
  await createSources(ana, shared, 3);
  await earlier.waitForSeq(shared, 3);
  const [, offset] = earlier.log.find(({ payload }) => payload?.seq === 1 && payload.source).args;

  const later = await connectClient(ana, { auth: { token: ana.token(), pid, offset } });
  assert.deepEqual([later.identity.id, later.identity.pid], [id, pid]);
  assert.match(await earlier.nextEvent('disconnect'), /^transport (close|error)$/);
  await createSources(ana, shared, 2);
  await later.waitForSeq(shared, 5);
  assert.deepEqual(seqs(later, shared), range(2, 5));
  assert.deepEqual(seqs(earlier, shared), range(1, 3));

  // The recovered subscription ends with a leave like any other.
  await later.emitOk('vault:leave', shared.id);
  await createSources(ana, shared, 1);
  await later.join(shared);
  assert.deepEqual(seqs(later, shared), range(2, 5));
});

const testOneSocketPerUser = testEachTransportWith({ VAULTCAST__LIMITS__SOCKETS_PER_USER: '1' });

testOneSocketPerUser('a half-open connection does not count against a limit of one socket per user when its client reconnects', async ({ newUser, newVault, startProxy, connectClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const { id, pid } = client.identity;
  await client.join(shared);

  for (const round of range(1, 2)) {
    await client.waitForUpgrade();
    await proxy.waitForReceiver();
    await proxy.makeHalfOpen();
    proxy.restore();
    await client.nextEvent('disconnect');
    assert.deepEqual(await client.nextEvent('connect'), { id, pid, recovered: true });
    await createSources(ana, shared, 1);
    await client.waitForSeq(shared, round);
  }
});
