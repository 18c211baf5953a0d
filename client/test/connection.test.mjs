// The connection that the vaults of a client share, with the real service.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { next, PAPER, testService, until } from './service.mjs';

const service = testService({ VAULTCAST__LIMITS__SOCKETS_PER_USER: '1', VAULTCAST__SOCKETIO__PING_INTERVAL: '1s' });
const isLive = ({ status }) => status === 'live';

/** Resolves when the client has this state. */
async function untilState(client, state) {
  while (client.state !== state) await Promise.race(['connect', 'disconnect', 'error', 'reconnect_attempt'].map((name) => next(client, name)));
}

test('all vaults share one connection, and `reconnect` and `reconnect_attempt` carry the number of attempts', async () => {
  const ana = await service.newUser('Ana');
  const proxy = await service.newProxy();
  const client = service.connect(ana, { url: proxy.url, socket: { transports: ['websocket'] } });
  const vaults = [client.vault(await service.newVault(ana)), client.vault(await service.newVault(ana))];
  const connections = vaults.map((vault) => {
    const seen = [];
    for (const name of ['connect', 'disconnect', 'reconnect_attempt', 'reconnect']) vault.on(name, (argument) => seen.push([name, argument]));
    return seen;
  });
  await Promise.all(vaults.map((vault) => until(vault, isLive)));
  proxy.cut();
  const disconnected = await next(client, 'disconnect');
  assert.match(disconnected, /^transport (close|error)$/);
  assert.deepEqual(vaults.map((vault) => [vault.getSnapshot().status, vault.getSnapshot().connection]), Array(2).fill(['stale', 'reconnecting']));
  while ((await next(client, 'reconnect_attempt')) < 2);
  proxy.restore();
  const attempts = await next(client, 'reconnect');
  assert(attempts >= 2);
  await Promise.all(vaults.map((vault) => until(vault, isLive)));
  const numbers = Array.from({ length: attempts }, (_, index) => ['reconnect_attempt', index + 1]);
  const expected = [['connect', undefined], ['disconnect', disconnected], ...numbers, ['connect', undefined], ['reconnect', attempts]];
  assert.deepEqual(connections, [expected, expected]);
});

test('the token callback is called once until the service refuses the token, and then again', async () => {
  const ana = await service.newUser('Ana');
  const calls = [];
  const tokens = [ana.token({ ttl: -100 }), ana.token()];
  const auth = async (request) => {
    calls.push(request.refused);
    return tokens.shift();
  };
  const client = service.connect(ana, { auth });
  const vault = client.vault(await service.newVault(ana));
  await until(vault, isLive);
  await vault.create(PAPER);
  assert.deepEqual(calls, [false, true]);
});

test('without a good credential the client gives up, and tries again when it is asked to', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  let token = 'not a token';
  const client = service.connect(ana, { auth: () => token });
  const vault = client.vault(id);
  const errors = [];
  vault.on('error', (error) => errors.push(error.code));
  await untilState(client, 'unauthorized');
  const { status, connection } = vault.getSnapshot();
  assert.deepEqual([status, connection], ['loading', 'unauthorized']);
  await assert.rejects(vault.create(PAPER), ({ code, status }) => code === 'UNAUTHORIZED' && status === 401);

  token = ana.token(); // the user has signed in
  client.connect();
  assert.equal((await until(vault, isLive)).role, 'owner');
  assert.equal(client.state, 'connected');
  assert.deepEqual(errors, ['UNAUTHORIZED'], 'the request and the connection were refused; the application receives that once');
});

test('when the user session ends, the client continues with a new token and misses no event', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const now = Math.floor(Date.now() / 1000);
  // Refused from 15 seconds after its end on, which is eight seconds from now.
  const tokens = [ana.token({ exp: now - 7 })];
  const client = service.connect(ana, { auth: () => tokens.pop() ?? ana.token() });
  const vault = client.vault(id);
  await until(vault, isLive);
  const created = [];
  vault.on('source:created', ({ seq }) => created.push(seq));
  const disconnected = next(client, 'disconnect');
  await ana.post(`/api/vaults/${id}/sources`, PAPER);
  await disconnected;
  await ana.post(`/api/vaults/${id}/sources`, PAPER);
  await vault.waitForSeq(2);
  assert.deepEqual(created, [1, 2]);
  assert.equal(client.socket.recovered, true);
});

test('a connection that the service refuses for now is repeated', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const first = service.connect(ana);
  await until(first.vault(id), isLive);
  const second = service.connect(ana); // limits.sockets_per_user is 1
  const vault = second.vault(id);
  vault.subscribe(() => {});
  while ((await next(second, 'error')).code !== 'LIMIT_EXCEEDED');
  await next(second, 'reconnect_attempt');
  first.close();
  await until(vault, isLive);
});

test('a token callback that fails is repeated', async () => {
  const ana = await service.newUser('Ana');
  let failures = 3;
  const auth = () => {
    if ((failures -= 1) >= 0) throw new Error('offline');
    return ana.token();
  };
  const vault = service.connect(ana, { auth }).vault(await service.newVault(ana));
  await until(vault, isLive);
});

test('after a disconnect by the service the client connects again', async () => {
  const ana = await service.newUser('Ana');
  const client = service.connect(ana);
  const vault = client.vault(await service.newVault(ana));
  await until(vault, isLive);
  vault.subscribe(() => {});
  const disconnected = next(client, 'disconnect');
  client.socket.io.engine.emit('data', '1'); // a DISCONNECT packet, after which the Socket.IO client stays away
  assert.equal(await disconnected, 'io server disconnect');
  await until(vault, isLive);
});

test('a lost answer to the CONNECT and a lost event of a polling client are noticed without a lost connection', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const client = service.connect(ana, { socket: { transports: ['polling'], timeout: 500 } });
  const vault = client.vault(id);
  vault.subscribe(() => {});
  // As after a poll that the browser has repeated: the messages of one poll are missing.
  const { io } = client.socket;
  let lost;
  io.once('open', () => {
    const { engine } = io;
    const { onPacket } = engine.transport;
    engine.transport.onPacket = function (packet) {
      if (packet.type === 'message' && packet.data.startsWith('0')) lost = packet.data;
      else onPacket.call(this, packet);
    };
  });
  await next(client, 'connect');
  assert.match(lost, /^0\{/);
  await until(vault, isLive);

  const { engine } = io;
  const { onPacket } = engine.transport;
  engine.transport.onPacket = function (packet) {
    if (packet.type === 'message' && packet.data.includes('"source:created"')) engine.transport.onPacket = onPacket;
    else onPacket.call(this, packet);
  };
  await ana.post(`/api/vaults/${id}/sources`, PAPER);
  await vault.waitForSeq(1);
  assert.equal(vault.getSnapshot().sources.length, 1);
  assert.equal(engine, io.engine, 'the connection continues');
});

test('`connect()` does not wait for the next attempt, and leaves one under way alone', async () => {
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const proxy = await service.newProxy();
  const client = service.connect(ana, { url: proxy.url, socket: { transports: ['websocket'], reconnectionDelay: 60_000, reconnectionDelayMax: 60_000 } });
  const vault = client.vault(id);
  let connects = 0;
  client.on('connect', () => (connects += 1));
  await until(vault, isLive);
  vault.subscribe(() => {});
  const disconnected = next(client, 'disconnect');
  proxy.cut();
  await disconnected;
  proxy.restore();
  const reconnected = next(client, 'reconnect');
  client.socket.io.on('open', () => client.connect()); // the CONNECT is on its way
  client.connect();
  assert.equal(await reconnected, 1);
  await until(vault, isLive);
  assert.deepEqual([connects, client.socket.recovered], [2, true]);
});

test('a client that is closed while a token is renewed makes no further attempt', async () => {
  const ana = await service.newUser('Ana');
  let renew;
  const renewed = new Promise((resolve) => (renew = resolve));
  const client = service.connect(ana, { auth: ({ refused }) => (refused ? renewed : 'not a token') });
  const attempts = [];
  client.on('reconnect_attempt', (attempt) => attempts.push(attempt));
  client.vault('c0000000000').subscribe(() => {});
  await new Promise((resolve) => client.socket.on('connect_error', resolve));
  client.close();
  renew(ana.token());
  await new Promise(setImmediate);
  assert.deepEqual(attempts, []);
});
