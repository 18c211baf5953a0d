// The service behind a real nginx with the configuration that is shipped: TLS, both transports and the way from one to
// the other, who the client is, which page may ask, and several processes of which each keeps its clients.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { onPostgres } from './database.mjs';
import { byHttp } from './doors.mjs';
import { PAPER, range, storiesOn } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Nginx } from './nginx.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

const HANDSHAKE = '/socket.io/?EIO=4&transport=polling';
const SETTINGS = {
  VAULTCAST__SERVER__TRUSTED_PROXIES: '["127.0.0.1"]',
  // A handshake that is not followed up is waited for when the service stops.
  VAULTCAST__SERVER__SHUTDOWN_GRACE: '3s',
};

const open = [];
after(async () => {
  for (const one of open.reverse()) await (one.close ? one.close() : one.dispose());
});
const opened = (one) => (open.push(one), one);

const story = storiesOn(SETTINGS);
let front;
/** The nginx before the one service of the stories. */
const nginxBefore = (service) => (front ??= Nginx.inFrontOf([service]).then(opened));

/** The client has come to the transport that it is to end with. */
async function settled({ socket }) {
  const { opts, engine } = socket.io;
  const last = opts.transports?.at(-1) ?? 'websocket';
  if (engine.transport.name !== last) await once(engine, 'upgrade');
  assert.equal(engine.transport.name, last);
}

story('through nginx a client joins, changes and hears as if nothing were between', async ({ service, user, vault, socket }) => {
  const nginx = await nginxBefore(service);
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana, nginx.options());
  await settled(listener);
  assert.equal((await listener.join(shared)).role, 'owner');

  const headers = { authorization: `Bearer ${ana.token()}`, 'content-type': 'application/json' };
  const { status, headers: told } = await nginx.ask('POST', `/api/vaults/${shared.id}/sources`, { headers, body: JSON.stringify(PAPER) });
  assert.deepEqual([status, told['x-vault-seq']], [201, '1']);
  assert.equal((await listener.does('source:created', { vaultId: shared.id, source: PAPER })).seq, 2);
  await listener.reaches(shared, 2);
  assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), [1, 2]);
  assert.equal(listener.log.some(({ event }) => event === 'disconnect'), false, String(listener));
});

story('who is connected while nginx is reloaded is recovered and misses nothing', async ({ service, user, vault, socket }) => {
  const nginx = await nginxBefore(service);
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana, nginx.options());
  const before = listener.self;
  await settled(listener);
  await listener.join(shared);
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 1);

  nginx.reload();
  await listener.hears('disconnect');
  await byHttp(ana).create(shared, PAPER);
  assert.deepEqual(await listener.hears('connect'), { ...before, recovered: true });
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 3);
  assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), range(1, 3));
});

let application, service, nginx;
before(async () => {
  application = createServer((_, response) => response.end('the application')).listen(0, '127.0.0.1');
  await once(application, 'listening');
  service = opened(await Service.start('serve', { ...SETTINGS, VAULTCAST__LIMITS__SOCKETS_PER_ADDRESS: '2' }));
  nginx = opened(await Nginx.inFrontOf([service], application.address().port));
});
after(() => application?.close());

test('pages of the host that nginx was asked for may ask, and others may not, whatever they say of themselves', async () => {
  const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const doors = [
    ['/api/me', {}, 401],
    [HANDSHAKE, {}, 200],
    [HANDSHAKE.replace('polling', 'websocket'), upgrade, 101],
  ];
  const evil = 'https://evil.example';
  for (const [target, headers, welcome] of doors) {
    const [from, other] = welcome === 101 ? ['127.0.1.1', '127.0.1.2'] : ['127.0.1.3', '127.0.1.4'];
    const ask = (more, address) => nginx.ask('GET', target, { headers: { ...headers, ...more }, from: address });
    assert.equal((await ask({ origin: nginx.url }, from)).status, welcome, target);
    for (const lie of [{}, { 'x-forwarded-host': 'evil.example' }, { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }]) {
      const { status, text } = await ask({ origin: evil, ...lie }, other);
      assert.equal(status, 403, `${target} ${JSON.stringify(lie)} ${text}`);
      assert.match(text, /ORIGIN_NOT_ALLOWED/);
    }
    // The scheme and the port that TLS was ended at are part of the comparison.
    assert.equal((await ask({ origin: 'https://127.0.0.1' }, other)).status, 403, target);
  }
});

test('the sockets of an address are counted for the client, not for nginx, and no header moves them elsewhere', async () => {
  const handshake = async (from, headers = {}) => (await nginx.ask('GET', HANDSHAKE, { from, headers })).status;
  assert.deepEqual([await handshake('127.0.2.1'), await handshake('127.0.2.1')], [200, 200]);
  const { status, body } = await nginx.ask('GET', HANDSHAKE, { from: '127.0.2.1' });
  assert.deepEqual([status, body.code], [429, 'LIMIT_EXCEEDED']);
  assert.equal(await handshake('127.0.2.1', { 'x-forwarded-for': '198.51.100.7' }), 429);
  assert.equal(await handshake('127.0.2.2'), 200);
});

test('a request is found in the log of nginx by its name, and no session is', async () => {
  const { status, headers } = await nginx.ask('GET', '/api/me?sid=secret', { from: '127.0.3.1' });
  assert.equal(status, 401);
  const name = headers['x-request-id'];
  const [line, ...more] = await nginx.log(/^127\.0\.3\.1 /);
  assert.deepEqual(more, []);
  assert.match(line, new RegExp(`"GET /api/me" 401 .* upstream=127.0.0.1:${service.port} request.id=${name}$`));
  await nginx.ask('GET', HANDSHAKE, { from: '127.0.3.1' });
  assert.deepEqual(await nginx.log(/sid|EIO|secret/), []);
});

test('what is too big is refused in the words of the service, and what belongs to the application goes there', async () => {
  const body = JSON.stringify({ name: 'x'.repeat(1_500_000) });
  const headers = { authorization: `Bearer ${new Person(service, 'ana', 'Ana', 'ana@example.com').token()}`, 'content-type': 'application/json' };
  const { status, body: problem } = await nginx.ask('POST', '/api/vaults', { headers, body });
  assert.deepEqual([status, problem?.code], [413, 'PAYLOAD_TOO_LARGE']);

  for (const path of ['/', '/api/auth/session', '/api/meadows', '/readyz', '/metrics', '/actors']) {
    assert.deepEqual((await nginx.ask('GET', path)).text, 'the application', path);
  }
  const plain = await fetch(`http://127.0.0.1:${nginx.plain}/socket.io/?EIO=4`, { redirect: 'manual', headers: { host: 'app.example.com' } });
  assert.equal(plain.status, 308);
  assert.match(plain.headers.get('location'), /^https:\/\/[^/]+\/socket\.io\/\?EIO=4$/);
});

test('each of two processes keeps its clients, and when one stops the other takes them up', { timeout: 120_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  const first = opened(await Service.start('serve', SETTINGS));
  const second = opened(await Service.start('serve', { ...SETTINGS, DATABASE_URL: first.database.url }));
  const both = opened(await Nginx.inFrontOf([first, second]));
  const ana = new Person(first, 'ana', 'Ana', 'ana@example.com');
  const upstreams = async (address) => {
    const lines = await both.log(new RegExp(`^${address.replaceAll('.', '[.]')} `));
    return [...new Set(lines.map((line) => Number(line.match(/upstream=127.0.0.1:(\d+) /)[1])))];
  };

  const comes = async (number) => {
    const { body: vault } = (await ana.post('/api/vaults', { name: `Vault ${number}` })).is(201);
    const address = `127.0.4.${number}`;
    const { via, ...options } = both.options(address);
    const transports = [['polling'], ['websocket'], ['polling', 'websocket']][number % 3];
    const listener = opened(new Listener(via.url, { transports, auth: { token: ana.token() }, ...options }));
    const self = await listener.hears('connect');
    await settled(listener);
    await listener.join(vault);
    for (const seq of range(1, 3)) assert.equal((await listener.does('source:created', { vaultId: vault.id, source: PAPER })).seq, seq);
    await listener.reaches(vault, 3);
    // By the log of nginx, everything from this address, requests of the API too, went to one process.
    await both.ask('GET', '/api/me', { from: address });
    const homes = await upstreams(address);
    assert.equal(homes.length, 1, `${address} went to ${homes}`);
    return { vault, listener, self, isAtFirst: homes[0] === first.port };
  };
  const clients = await Promise.all(range(1, 15).map(comes));
  const moving = clients.filter(({ isAtFirst }) => isAtFirst);
  assert(moving.length > 0 && moving.length < clients.length, `${moving.length} of ${clients.length} are at the first`);

  await first.stop();
  for (const { listener, self } of moving) assert.deepEqual(await listener.hears('connect'), { ...self, recovered: true });
  for (const { vault, listener, isAtFirst } of clients) {
    for (const seq of range(4, 5)) assert.equal((await listener.does('source:created', { vaultId: vault.id, source: PAPER })).seq, seq);
    await listener.reaches(vault, 5);
    assert.deepEqual(listener.eventsOf(vault).map(({ seq }) => seq), range(1, 5));
    const connected = listener.log.filter(({ event }) => event === 'connect').length;
    assert.equal(connected, isAtFirst ? 2 : 1);
  }
});
