// The end of access with clients of Socket.IO 2: an expired session, a removed member, a changed role and a deleted vault. A refused
// connection is the event `error`, and the client stays connected to the transport until the connect timeout.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { AUTH_LIBRARIES } from './auth-application.mjs';
import { PAPER, range } from './fixtures.mjs';
import { testEachOldClientWith } from './old-client.mjs';
import { httpApi } from './source-api.mjs';

const TRANSPORT_CLOSED = /^transport (close|error)$/;

/** A `ttl` in seconds of a session that expired within the tolerance of 15 seconds: its socket has to connect, join and receive an event
 * in the ten seconds that it has left. */
const ALMOST_EXPIRED = -5;
const AN_HOUR = 3600;

const [, authjs] = AUTH_LIBRARIES;

/** The headers that carry a session. */
const CREDENTIALS = {
  token: async (user, ttl) => ({ authorization: `Bearer ${user.token({ ttl })}` }),
  cookie: async (user, ttl) => ({ cookie: `${authjs.cookie}=${await authjs.encode(user.service.secret, { sub: user.id, name: user.name }, ttl)}` }),
};

const testEachOldClient = testEachOldClientWith({ VAULTCAST__SOCKETIO__CONNECT_TIMEOUT: '2s' });

// These tests wait for the end of a session, so they run at the same time.
describe('the end of a session', { concurrency: true }, () => {
  for (const [name, headersOf] of Object.entries(CREDENTIALS)) {
    testEachOldClient(`with a renewed ${name} a client reconnects by itself when its session expires, and resumes with since`, async ({ newUser, newVault, openClient }) => {
      const [ana, ben] = [newUser('ana'), newUser('ben')];
      const vault = await newVault(ana, { viewer: [ben] });
      const client = openClient({ headers: await headersOf(ben, ALMOST_EXPIRED) });
      await client.nextEvent('connect');
      const { seq, epoch } = await client.join(vault);
      await client.waitForSeq(vault, (await httpApi(ana).create(vault, PAPER)).seq);
      client.setHeaders(await headersOf(ben, AN_HOUR));

      assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
      await httpApi(ana).create(vault, PAPER);
      await client.nextEvent('reconnect');
      const { replayed } = await client.join(vault, { since: seq + 1, epoch });
      assert.equal(replayed, 1);
      await client.waitForSeq(vault, (await httpApi(ana).create(vault, PAPER)).seq);
      assert.deepEqual(client.eventsOf(vault).map((event) => event.seq), range(seq + 1, seq + 3));
    });
  }

  testEachOldClient('with the expired token a client is refused again and again, and connects by itself when it has a new one', async ({ newUser, newVault, openClient }) => {
    const [ana, ben] = [newUser('ana'), newUser('ben')];
    const vault = await newVault(ana, { viewer: [ben] });
    const client = openClient({ headers: await CREDENTIALS.token(ben, ALMOST_EXPIRED) });
    await client.nextEvent('connect');
    const { seq } = await client.join(vault);
    assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
    await httpApi(ana).create(vault, PAPER);
    for (const attempt of [1, 2]) {
      const { message, code } = await client.nextRefusal();
      assert.deepEqual([message, code], ['UNAUTHORIZED', 'UNAUTHORIZED'], `attempt ${attempt}`);
    }
    assert.deepEqual(client.eventsOf(vault), []);

    client.setHeaders(await CREDENTIALS.token(ben, AN_HOUR));
    await client.nextEvent('connect');
    assert.equal((await client.join(vault, { since: seq })).replayed, 1);
  });
});

testEachOldClient('a refused client connects at once with close and open', async ({ newUser, openClient }) => {
  const ana = newUser('ana');
  const client = openClient({ headers: await CREDENTIALS.token(ana, -AN_HOUR) });
  assert.equal((await client.nextRefusal()).code, 'UNAUTHORIZED');
  client.setHeaders(await CREDENTIALS.token(ana, AN_HOUR));
  client.socket.close();
  client.socket.open();
  await client.nextEvent('connect');
});

testEachOldClient('a removed member receives its removal and an error, and no event after it', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const [vault, other] = [await newVault(ana, { contributor: [ben] }), await newVault(ana, { viewer: [ben] })];
  const client = await connectClient(ben);
  for (const joined of [vault, other]) await client.join(joined);
  const { seq } = (await ana.delete(`/api/vaults/${vault.id}/members/${ben.id}`)).expectStatus(204);

  assert.equal((await client.nextEvent('member:removed')).member.userId, ben.id);
  const { message, code, details } = await client.nextEvent('error');
  assert.deepEqual([message, code, details], ['Access denied to vault', 'ACCESS_DENIED', { vaultId: vault.id }]);
  await httpApi(ana).create(vault, PAPER);
  await client.expectError('vault:join', vault.id, 'ACCESS_DENIED');
  // The socket stays connected, and its other vault is not affected.
  await client.waitForSeq(other, (await httpApi(ana).create(other, PAPER)).seq);
  assert.equal(client.eventsOf(vault).at(-1).seq, seq);
  assert.deepEqual(client.disconnects, []);
});

testEachOldClient('a changed role takes effect at once, and a deleted vault is announced', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const vault = await newVault(ana, { contributor: [ben] });
  const client = await connectClient(ben);
  await client.join(vault);
  const source = { vaultId: vault.id, source: PAPER };
  await client.emitOk('source:created', source);
  (await ana.patch(`/api/vaults/${vault.id}/members/${ben.id}`, { role: 'viewer' })).expectStatus(200);
  await client.expectError('source:created', source, 'INSUFFICIENT_PERMISSIONS');
  assert.equal((await client.nextEvent('member:updated')).member.role, 'viewer');

  (await ana.delete(`/api/vaults/${vault.id}`)).expectStatus(204);
  assert.equal((await client.nextEvent('vault:deleted')).vaultId, vault.id);
  await client.expectError('vault:join', vault.id, 'ACCESS_DENIED');
});
