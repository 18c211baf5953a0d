// Binary data of clients of Socket.IO 2. The service emits none and accepts none: events with it are refused, and the connection goes
// on. Attachments that never arrive and messages that are too large close it, and the client reconnects.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { PAPER } from './fixtures.mjs';
import { testEachOldClientWith, testOldClientsTogetherWith } from './old-client.mjs';
import { socketApi } from './source-api.mjs';

const TRANSPORT_CLOSED = /^transport (close|error)$/;

/** A message over the default of `socketio.max_payload`. */
const TOO_LARGE = 1_100_000;

const testEachOldClient = testEachOldClientWith();
const testOldClientsTogether = testOldClientsTogetherWith();

for (const forceBase64 of [false, true]) {
  testEachOldClient(`events with binary data are refused, and the connection goes on (forceBase64: ${forceBase64})`, async ({ newUser, newVault, connectClient }) => {
    const ana = newUser('ana');
    const vault = await newVault(ana);
    const client = await connectClient(ana, { forceBase64 });
    const binary = Buffer.from([1, 2, 3, 255]);
    await client.expectError('vault:join', binary, 'INVALID_VAULT_ID');
    await client.expectError('vault:join', { vaultId: vault.id, since: binary }, 'VALIDATION_FAILED');
    await client.join(vault);
    await client.expectError('source:created', { vaultId: vault.id, source: { ...PAPER, title: Buffer.alloc(100_000, 'x') } }, 'VALIDATION_FAILED');
    await client.expectError('unknown', [binary, binary], 'VALIDATION_FAILED');
    const { seq } = await socketApi(client).create(vault, PAPER);
    await client.waitForSeq(vault, seq);
    assert.deepEqual(client.disconnects, []);
  });

  testEachOldClient(`a message that is too large closes the connection, and the client reconnects (forceBase64: ${forceBase64})`, async ({ newUser, newVault, connectClient }) => {
    const ana = newUser('ana');
    const vault = await newVault(ana);
    const client = await connectClient(ana, { forceBase64 });
    await client.waitForUpgrade();
    client.emit('vault:join', Buffer.alloc(TOO_LARGE));
    assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
    await client.nextEvent('reconnect');
    await client.join(vault);
  });
}

testEachOldClient('a malformed header of a binary event closes the connection at once', async ({ newUser, connectClient }) => {
  const client = await connectClient(newUser('ana'));
  client.socket.io.engine.write('51-["vault:join",{"_placeholder":true,"num":0}');
  assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
  await client.nextEvent('reconnect');
});

// The time in which attachments have to arrive is not configurable, so all clients wait at once.
testOldClientsTogether('attachments that never arrive close the connection, and the client reconnects', (contexts) =>
  Promise.all(
    contexts.map(async ({ newUser, newVault, connectClient }) => {
      const ana = newUser('ana');
      const vault = await newVault(ana);
      const client = await connectClient(ana);
      await client.waitForUpgrade();
      client.socket.io.engine.write('51-["vault:join",{"_placeholder":true,"num":0}]');
      assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
      await client.nextEvent('reconnect');
      await client.join(vault);
    }),
  ),
);
