// The official clients of Socket.IO 2, with `socketio.allow_eio3`: the checklist of the contract as far as the protocol matters, on
// each transport.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { PAPER, range } from './fixtures.mjs';
import { OldClient, testEachOldClientWith, testOldClientsTogetherWith } from './old-client.mjs';
import { httpApi, socketApi } from './source-api.mjs';
import { TestClient } from './test-client.mjs';

const testEachOldClient = testEachOldClientWith();
const testOldClientsTogether = testOldClientsTogetherWith({ VAULTCAST__SOCKETIO__ALLOW_EIO3: 'false' });

testEachOldClient('members join, and receive every event with one argument', async ({ connectClient, newUser, newVault }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const vault = await newVault(ana, { viewer: [ben] });
  const clients = [await connectClient(ana), await connectClient(ben)];
  for (const client of clients) await client.join(vault);
  const api = httpApi(ana);
  const { source } = await api.create(vault, PAPER);
  await api.update(source, { title: 'Another title €😀' });
  await api.remove(source);
  for (const client of clients) {
    const created = await client.nextEvent('source:created');
    assert.deepEqual([created.source.id, created.actor.userId], [source.id, ana.id]);
    assert.equal((await client.nextEvent('source:updated')).source.title, 'Another title €😀');
    assert.equal((await client.nextEvent('source:deleted')).sourceId, source.id);
    // The connection keeps no offset: what the client received had one argument.
    assert(client.log.filter(({ event }) => event.includes(':')).every(({ args }) => args.length === 1));
  }
});

testEachOldClient('events of a client are acknowledged, and refusals are reported', async ({ connectClient, newUser, newVault }) => {
  const [ana, zoe] = [newUser('ana'), newUser('zoe')];
  const vault = await newVault(ana);
  const client = await connectClient(ana);
  await client.emitOk('vault:join', vault.id);
  const { seq } = await socketApi(client).create(vault, PAPER);
  assert.equal((await client.nextEvent('source:created')).seq, seq);

  const outside = await connectClient(zoe);
  outside.emit('vault:join', vault.id);
  const { message, code } = await outside.nextEvent('error');
  assert.deepEqual([message, code], ['Access denied to vault', 'ACCESS_DENIED']);
});

testEachOldClient('a client without a session is refused by an error', async ({ openClient, newUser }) => {
  const { message, code } = await openClient().nextRefusal();
  assert.deepEqual([message, code], ['UNAUTHORIZED', 'UNAUTHORIZED']);
  const query = { token: newUser('ana').token() };
  const ignored = await openClient({ query }).nextRefusal();
  assert.equal(ignored.code, 'UNAUTHORIZED', 'a token in the query is not read');
});

testEachOldClient('a client reconnects after a cut, joins again and receives what it missed', async ({ connectClient, newUser, newVault, startProxy }) => {
  const ana = newUser('ana');
  const vault = await newVault(ana);
  const proxy = await startProxy();
  const client = await connectClient(ana, { via: proxy });
  const { seq, epoch } = await client.join(vault);
  proxy.cut();
  assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
  for (const title of ['a', 'b', 'c']) await httpApi(ana).create(vault, { ...PAPER, title });
  await client.nextEvent('reconnect_attempt');
  proxy.restore();
  await client.nextEvent('reconnect');
  assert.equal((await client.join(vault, { since: seq, epoch })).replayed, 3);
  for (const expected of range(seq + 1, seq + 3)) assert.equal((await client.nextEvent('source:created')).seq, expected);
});

testEachOldClient('clients of Socket.IO 2 and 4 receive the same events in the same order', async ({ connectClient, newUser, newVault, service, transport }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const vault = await newVault(ana, { contributor: [ben] });
  const old = await connectClient(ana);
  const current = new TestClient(service.url, { ...transport, ...TestClient.credentials(ben.token()) });
  try {
    await current.nextEvent('connect');
    await old.join(vault);
    const { seq } = await current.join(vault);
    const writes = [ana, ben].flatMap((user) => range(1, 20).map((n) => httpApi(user).create(vault, { ...PAPER, title: `${user.name} ${n}` })));
    await Promise.all(writes);
    const last = seq + writes.length;
    for (const client of [current, old]) await client.waitForSeq(vault, last);
    assert.deepEqual(old.eventsOf(vault), current.eventsOf(vault));
    assert.deepEqual(old.eventsOf(vault).map((event) => event.seq), range(seq + 1, last));
  } finally {
    current.close();
  }
});

testEachOldClient('a client leaves by a disconnect and connects again', async ({ connectClient, newUser, newVault }) => {
  const ana = newUser('ana');
  const vault = await newVault(ana);
  const client = await connectClient(ana);
  await client.join(vault);
  client.close();
  assert.equal(await client.nextEvent('disconnect'), 'io client disconnect');
  client.socket.connect();
  await client.nextEvent('connect');
  await client.join(vault);
});

testOldClientsTogether('without the setting every client reports an error of its transport, and the log names the setting', async (contexts) => {
  for (const { openClient, newUser } of contexts) {
    const { message } = await openClient(OldClient.credentials(newUser('ana').token())).nextEvent('connect_error');
    assert.match(message, /^(xhr poll|websocket) error$/);
  }
  await contexts[0].service.waitForOutput(/handshake refused: .*socketio\.allow_eio3/);
});
