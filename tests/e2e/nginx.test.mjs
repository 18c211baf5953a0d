// The service behind a real nginx with the shipped configuration: TLS, both transports and the upgrade, the client address, origins,
// and several processes with sticky clients.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { onPostgres } from './database.mjs';
import { httpApi } from './source-api.mjs';
import { PAPER, range, testEachTransportWith } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { NginxProxy } from './nginx-proxy.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
const SETTINGS = {
  VAULTCAST__SERVER__TRUSTED_PROXIES: '["127.0.0.1"]',
  // At a stop the service waits this long for sessions that never connect.
  VAULTCAST__SERVER__SHUTDOWN_GRACE: '3s',
};

const open = [];
after(async () => {
  for (const resource of open.reverse()) await (resource.close ? resource.close() : resource.dispose());
});
const track = (resource) => (open.push(resource), resource);

const testEachTransport = testEachTransportWith(SETTINGS);
let starting;
/** Starts one nginx in front of the service that the tests share. */
const nginxFor = (service) => (starting ??= NginxProxy.start([service]).then(track));

testEachTransport('a client joins, sends mutations and receives events through nginx', async ({ service, newUser, newVault, connectClient }) => {
  const nginx = await nginxFor(service);
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana, nginx.clientOptions());
  await client.waitForUpgrade();
  assert.equal((await client.join(shared)).role, 'owner');

  const headers = { authorization: `Bearer ${ana.token()}`, 'content-type': 'application/json' };
  const { status, headers: responseHeaders } = await nginx.request('POST', `/api/vaults/${shared.id}/sources`, { headers, body: JSON.stringify(PAPER) });
  assert.deepEqual([status, responseHeaders['x-vault-seq']], [201, '1']);
  assert.equal((await client.emitOk('source:created', { vaultId: shared.id, source: PAPER })).seq, 2);
  await client.waitForSeq(shared, 2);
  assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), [1, 2]);
  assert.equal(client.log.some(({ event }) => event === 'disconnect'), false, String(client));
});

testEachTransport('a client is recovered after a reload of nginx and misses no event', async ({ service, newUser, newVault, connectClient }) => {
  const nginx = await nginxFor(service);
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana, nginx.clientOptions());
  const before = client.identity;
  await client.waitForUpgrade();
  await client.join(shared);
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 1);

  nginx.reload();
  await client.nextEvent('disconnect');
  await httpApi(ana).create(shared, PAPER);
  assert.deepEqual(await client.nextEvent('connect'), { ...before, recovered: true });
  await httpApi(ana).create(shared, PAPER);
  await client.waitForSeq(shared, 3);
  assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), range(1, 3));
});

let application, service, nginx;
before(async () => {
  application = createServer((_, response) => response.end('the application')).listen(0, '127.0.0.1');
  await once(application, 'listening');
  service = track(await TestServer.start('serve', { ...SETTINGS, VAULTCAST__LIMITS__SOCKETS_PER_ADDRESS: '2' }));
  nginx = track(await NginxProxy.start([service], application.address().port));
});
after(() => application?.close());

test('requests from pages of the public host are accepted, and others are refused whatever headers they forge', async () => {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const endpoints = [
    ['/api/me', {}, 401],
    [HANDSHAKE, {}, 200],
    [HANDSHAKE.replace('polling', 'websocket'), upgrade, 101],
  ];
  const evil = 'https://evil.example';
  for (const [target, headers, expected] of endpoints) {
    const [sameOrigin, otherOrigin] = expected === 101 ? ['127.0.1.1', '127.0.1.2'] : ['127.0.1.3', '127.0.1.4'];
    const send = (extraHeaders, address) => nginx.request('GET', target, { headers: { ...headers, ...extraHeaders }, from: address });
    assert.equal((await send({ origin: nginx.url }, sameOrigin)).status, expected, target);
    for (const forged of [{}, { 'x-forwarded-host': 'evil.example' }, { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }]) {
      const { status, text } = await send({ origin: evil, ...forged }, otherOrigin);
      assert.equal(status, 403, `${target} ${JSON.stringify(forged)} ${text}`);
      assert.match(text, /ORIGIN_NOT_ALLOWED/);
    }
    // The comparison includes the scheme and the port at which nginx terminates TLS.
    assert.equal((await send({ origin: 'https://127.0.0.1' }, otherOrigin)).status, 403, target);
  }
});

test('the socket limit per address applies to the client address and ignores forged headers', async () => {
  const handshake = async (from, headers = {}) => (await nginx.request('GET', HANDSHAKE, { from, headers })).status;
  assert.deepEqual([await handshake('127.0.2.1'), await handshake('127.0.2.1')], [200, 200]);
  const { status, body } = await nginx.request('GET', HANDSHAKE, { from: '127.0.2.1' });
  assert.deepEqual([status, body.code], [429, 'LIMIT_EXCEEDED']);
  assert.equal(await handshake('127.0.2.1', { 'x-forwarded-for': '198.51.100.7' }), 429);
  assert.equal(await handshake('127.0.2.2'), 200);
});

test('the nginx log contains the request id of a request and no session id', async () => {
  const { status, headers } = await nginx.request('GET', '/api/me?sid=secret', { from: '127.0.3.1' });
  assert.equal(status, 401);
  const requestId = headers['x-request-id'];
  await nginx.waitForAccessLog(requestId);
  const [line, ...more] = await nginx.accessLog(/^127\.0\.3\.1 /);
  assert.deepEqual(more, []);
  assert.match(line, new RegExp(`"GET /api/me" 401 .* upstream=127.0.0.1:${service.port} request.id=${requestId}$`));
  const handshake = await nginx.request('GET', HANDSHAKE, { from: '127.0.3.1' });
  await nginx.waitForAccessLog(handshake.headers['x-request-id']);
  assert.deepEqual(await nginx.accessLog(/sid|EIO|secret/), []);
});

test('an oversized body is refused by the service, and other paths are forwarded to the application', async () => {
  const body = JSON.stringify({ name: 'x'.repeat(1_500_000) });
  const headers = { authorization: `Bearer ${new TestUser(service, 'ana', 'Ana', 'ana@example.com').token()}`, 'content-type': 'application/json' };
  const { status, body: problem } = await nginx.request('POST', '/api/vaults', { headers, body });
  assert.deepEqual([status, problem?.code], [413, 'PAYLOAD_TOO_LARGE']);

  for (const path of ['/', '/api/auth/session', '/api/meadows', '/readyz', '/metrics', '/actors']) {
    assert.deepEqual((await nginx.request('GET', path)).text, 'the application', path);
  }
  const redirect = await fetch(`http://127.0.0.1:${nginx.httpPort}/socket.io/?EIO=4`, { redirect: 'manual', headers: { host: 'app.example.com' } });
  assert.equal(redirect.status, 308);
  assert.match(redirect.headers.get('location'), /^https:\/\/[^/]+\/socket\.io\/\?EIO=4$/);
});

test('a caching nginx gives no answer of one user to another', async () => {
  const demo = track(await TestServer.start('demo', SETTINGS));
  // The sign-in links are paths of the application's location, so that nginx forwards them, too.
  const nginx = track(await NginxProxy.start([demo], demo.port, { caches: true }));
  const signIn = async (role) => {
    const { status, headers } = await nginx.request('GET', `/demo/sign-in?as=${role}`);
    assert.equal(status, 303);
    return { cookie: headers['set-cookie'][0].split(';')[0], requestId: headers['x-request-id'] };
  };
  const sessions = { owner: await signIn('owner'), viewer: await signIn('viewer') };
  assert.notEqual((await signIn('owner')).requestId, sessions.owner.requestId, 'nginx answered a sign-in from its cache');

  const unknown = '/api/vaults/cnone00000000000000000000';
  for (const role of ['owner', 'viewer']) {
    const headers = { cookie: sessions[role].cookie };
    assert.equal((await nginx.request('GET', '/api/me', { headers })).body.email, `${role}@demo.com`);
    assert.equal((await nginx.request('GET', '/api/vaults', { headers })).body.vaults[0].role, role);
    assert.equal((await nginx.request('GET', unknown, { headers })).status, 403);
  }
  for (const path of ['/api/me', '/api/vaults', unknown]) assert.equal((await nginx.request('GET', path)).status, 401, path);
  const headers = { cookie: sessions.owner.cookie };
  assert.equal((await nginx.request('GET', '/api/me', { headers })).body.email, 'owner@demo.com');
});

test('each of two processes keeps its clients, and when one stops the other recovers its clients', { timeout: 300_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  const first = track(await TestServer.start('serve', SETTINGS));
  const second = track(await TestServer.start('serve', { ...SETTINGS, DATABASE_URL: first.database.url }));
  const nginx = track(await NginxProxy.start([first, second]));
  const ana = new TestUser(first, 'ana', 'Ana', 'ana@example.com');
  const upstreams = async (address) => {
    const lines = await nginx.accessLog(new RegExp(`^${address.replaceAll('.', '[.]')} `));
    return [...new Set(lines.map((line) => Number(line.match(/upstream=127.0.0.1:(\d+) /)[1])))];
  };

  const openClient = async (number) => {
    const { body: vault } = (await ana.post('/api/vaults', { name: `Vault ${number}` })).expectStatus(201);
    const address = `127.0.4.${number}`;
    const { via, ...options } = nginx.clientOptions(address);
    // A client that begins with a websocket may reach any process: see three-nodes.test.mjs.
    const transports = [['polling'], ['polling', 'websocket']][number % 2];
    const client = track(new TestClient(via.url, { transports, auth: { token: ana.token() }, ...options }));
    const identity = await client.nextEvent('connect');
    await client.waitForUpgrade();
    await client.join(vault);
    for (const seq of range(1, 3)) assert.equal((await client.emitOk('source:created', { vaultId: vault.id, source: PAPER })).seq, seq);
    await client.waitForSeq(vault, 3);
    // The log of nginx shows that one process received all requests of this address, API requests included.
    const { headers } = await nginx.request('GET', '/api/me', { from: address });
    await nginx.waitForAccessLog(headers['x-request-id']);
    const ports = await upstreams(address);
    assert.equal(ports.length, 1, `${address} was forwarded to ${ports}`);
    return { vault, client, identity, isOnFirst: ports[0] === first.port };
  };
  const clients = await Promise.all(range(1, 15).map(openClient));
  const moving = clients.filter(({ isOnFirst }) => isOnFirst);
  assert(moving.length > 0 && moving.length < clients.length, `${moving.length} of ${clients.length} clients are on the first process`);

  await first.stop();
  for (const { client, identity } of moving) assert.deepEqual(await client.nextEvent('connect'), { ...identity, recovered: true });
  for (const { vault, client, isOnFirst } of clients) {
    for (const seq of range(4, 5)) assert.equal((await client.emitOk('source:created', { vaultId: vault.id, source: PAPER })).seq, seq);
    await client.waitForSeq(vault, 5);
    assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(1, 5));
    const connected = client.log.filter(({ event }) => event === 'connect').length;
    assert.equal(connected, isOnFirst ? 2 : 1);
  }
});
