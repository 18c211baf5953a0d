// The log as an operator reads it: one JSON object per line for programs, one plain line for people. The lines of one request or event
// are found by their fields, and a long outage does not flood the log.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { onPostgres } from './database.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { PostgresServer } from './postgres-server.mjs';
import { freePort, TestServer } from './test-server.mjs';

const opened = [];
after(async () => {
  for (const resource of opened.reverse()) await (resource.dispose?.() ?? resource.close());
});
const track = (resource) => (opened.push(resource), resource);

/** Returns the JSON object of each log line. */
const parseLines = (service) => service.output.trim().split('\n').map((line) => JSON.parse(line));

const ana = (service) => new TestUser(service, 'ana', 'Ana', 'ana@example.com');

test('in JSON every line is one object, and the lines of a request or an event are found by its fields', async () => {
  const service = track(await TestServer.start('serve', { RUST_LOG: 'trace', VAULTCAST__TELEMETRY__LOG_FORMAT: 'json' }));
  const user = ana(service);
  const response = (await user.post('/api/vaults', { name: 'Plans' }, { 'x-request-id': 'the-first-1' })).expectStatus(201);
  assert.equal(response.headers.get('x-request-id'), 'the-first-1');
  (await user.post('/api/vaults', { name: '\ufeff' }, { 'x-request-id': 'the-second-1' })).expectError(400, 'VALIDATION_FAILED');
  const vault = { id: response.body.id, seq: 0 };
  const client = track(new TestClient(service.url, { auth: { token: user.token() }, transports: ['websocket'] }));
  await client.nextEvent('connect');
  const { id } = client.identity;
  await client.join(vault);
  const { seq } = await client.socket.emitWithAck('source:created', { vaultId: vault.id, source: PAPER });
  assert.equal(seq, 1);
  await client.socket.emitWithAck('a secret event name', {});
  client.close();
  await service.stop();

  const all = parseLines(service);
  for (const line of all) {
    assert(!Number.isNaN(Date.parse(line.timestamp)), JSON.stringify(line));
    assert.match(line.level, /^(ERROR|WARN|INFO|DEBUG|TRACE)$/);
    for (const field of ['target', 'message']) assert.equal(typeof line[field], 'string', JSON.stringify(line));
  }
  assert(all.some(({ target }) => target.startsWith('actix')), 'lines of libraries must carry their own targets');
  const [start] = all.filter(({ message }) => message === 'vaultcast serves');
  assert.equal(start.addr, `127.0.0.1:${service.port}`);

  const ours = all.filter(({ target }) => /^(vaultcast|actix_socketio)\b/.test(target));
  const first = ours.filter((line) => line['request.id'] === 'the-first-1');
  const answered = first.find(({ message }) => message === 'answered');
  assert.deepEqual([answered.method, answered.path, answered.status, answered['user.id']], ['POST', '/api/vaults', 201, 'ana']);
  const refused = ours.find((line) => line['request.id'] === 'the-second-1' && line.message === 'answered');
  assert.deepEqual([refused.status, refused.code], [400, 'validation_failed']);

  const events = ours.filter((line) => line['event.name']);
  const created = events.find((line) => line['event.name'] === 'source:created' && line['event.seq']);
  assert.deepEqual([created['vault.id'], created['event.seq'], created['user.id'], created['socket.id']], [vault.id, 1, 'ana', id]);
  assert(events.some((line) => line['event.name'] === 'unknown'), 'the name of an unknown event must not be logged');
  assert(!service.output.includes('a secret event name'));
  // One field identifies a socket from its CONNECT to its end.
  const sid = created['session.sid'];
  assert.match(sid, /^[0-9a-f]{8}$/);
  const messages = ours.filter((line) => line['session.sid'] === sid).map(({ message }) => message);
  for (const message of ['socket connected', 'answered', 'socket disconnected', 'session closed']) assert(messages.includes(message), `${message}: ${messages}`);
});

test('in the plain format each event is one line, and the default level logs only what an operator needs', async () => {
  const service = track(await TestServer.start('serve', { RUST_LOG: '' }));
  const user = ana(service);
  for (const _ of range(1, 3)) (await user.get('/api/me')).expectStatus(200);
  for (const _ of range(1, 5)) (await user.request('GET', '/api/me', undefined, { origin: 'https://elsewhere.example' })).expectError(403, 'ORIGIN_NOT_ALLOWED');
  await service.stop();
  const lines = service.output.trim().split('\n').map((line) => line.replace(/^\S+ +/, ''));
  assert.deepEqual(
    lines.map((line) => line.match(/^\S+/)[0]),
    lines.map(() => 'INFO'),
  );
  assert.equal(lines.filter((line) => line.includes('server.allowed_origins')).length, 1, service.output);
  // Started, the socket limit, one refusal, SIGTERM, stopped; with PostgreSQL, the bus, which connects in the background.
  assert.equal(lines.filter((line) => !line.includes('vaultcast::cluster')).length, 5, service.output);
  assert(lines.length <= (onPostgres ? 7 : 5), service.output);
});

test('a refused request is logged with what it was compared with, once a minute and without its control characters', async () => {
  const settings = { RUST_LOG: '', VAULTCAST__TELEMETRY__LOG_FORMAT: 'json', VAULTCAST__LIMITS__SOCKETS_PER_ADDRESS: '1' };
  const service = track(await TestServer.start('serve', settings));
  const get = (path, headers) => ana(service).request('GET', path, undefined, headers);
  const handshake = (query) => get(`/socket.io/?transport=polling&${query}`);
  const own = `http://127.0.0.1:${service.port}`;
  const evil = 'https://evil.example';
  const forwarded = { 'x-forwarded-host': 'vaults.example', 'x-forwarded-proto': 'https' };
  for (const headers of [{ origin: evil }, { origin: evil, ...forwarded }]) {
    for (const _ of range(1, 3)) (await get('/api/me', headers)).expectError(403, 'ORIGIN_NOT_ALLOWED');
  }
  const notAllowed = 'Unsupported protocol version (Engine.IO 3 needs allow_eio3 = true)';
  for (const _ of range(1, 3)) assert.deepEqual((await handshake('EIO=3')).body, { code: 5, message: notAllowed });
  assert.equal((await get('/socket.io/?EIO=4&transport=\nforged')).status, 400);
  assert.equal((await handshake('EIO=4')).status, 200);
  for (const _ of range(1, 3)) (await handshake('EIO=4')).expectError(429, 'LIMIT_EXCEEDED');
  await service.stop();

  const lines = parseLines(service).filter(({ message }) => /refused/.test(message));
  const common = { suppressed: 0, client: '127.0.0.1' };
  const fields = lines.map(({ message, origin, own, peer, ignored, reason, version, limit, client, suppressed }) => {
    const present = Object.entries({ origin, own, peer, ignored, reason, version, limit, client, suppressed }).filter(([, value]) => value !== undefined);
    return { message: message.split(':').slice(0, 2).join(':').slice(0, 60), ...Object.fromEntries(present) };
  });
  assert.deepEqual(fields, [
    { message: 'origin refused: not in server.allowed_origins and not the ori', origin: evil, own, peer: '127.0.0.1', ...common },
    { message: 'origin refused: forwarding headers are ignored, because the p', origin: evil, own, peer: '127.0.0.1', ignored: 'X-Forwarded-Host, X-Forwarded-Proto', ...common },
    { message: 'handshake refused: the client uses Engine.IO protocol 3 (Soc', ...common },
    { message: 'Engine.IO request refused', reason: 'transport_unknown', version: '4', ...common },
    { message: 'refused by a limit', limit: 'sockets_per_address', ...common },
  ].map((line) => ({ ...line, message: line.message.slice(0, 60) })));
});

test('text of a request forges no line and no field, and is cut', async () => {
  const service = track(await TestServer.start('serve', { RUST_LOG: '', VAULTCAST__TELEMETRY__LOG_FORMAT: 'plain' }));
  const origin = `https://a\t" peer=10.0.0.1 ${'x'.repeat(300)}`;
  (await ana(service).request('GET', '/api/me', undefined, { origin })).expectError(403, 'ORIGIN_NOT_ALLOWED');
  const version = encodeURIComponent('3\n2026 ERROR forged');
  assert.equal((await ana(service).request('GET', `/socket.io/?transport=polling&EIO=${version}`)).status, 400);
  await service.stop();
  const [refused] = service.output.match(/^.*origin refused.*$/m);
  assert.match(refused, /origin="https:\/\/a\ufffd\\" peer=10\.0\.0\.1 x+…" own=/);
  assert(refused.length < 700, refused);
  assert.match(service.output, /version="3\ufffd2026 ERROR forged"/);
  assert.doesNotMatch(service.output, /^2026 ERROR/m);
});

const skip = onPostgres ? false : 'TEST_POSTGRES_URL is not set';
test('a database outage under load is logged when it begins and when it ends', { timeout: 300_000, skip }, async () => {
  const postgres = track(await PostgresServer.start(await freePort()));
  const service = track(await TestServer.start('serve', { DATABASE_URL: postgres.url, RUST_LOG: '' }));
  const user = ana(service).withLongTimeout();
  const vaults = [];
  for (const name of range(1, 8)) vaults.push((await user.post('/api/vaults', { name: `${name}` })).expectStatus(201).body.id);
  const before = service.output.length;

  const refused = { count: 0 };
  let running = true;
  const repeat = async (send) => {
    while (running) {
      const { status } = await send();
      if (status === 503) refused.count += 1;
      else assert([200, 201].includes(status), `${status}`);
      await pause(5);
    }
  };
  const newStranger = (number) => new TestUser(service, `stranger-${number}`, 'A stranger', 'stranger@example.com').withLongTimeout();
  const streams = vaults.flatMap((id) => [
    repeat(() => user.post(`/api/vaults/${id}/sources`, PAPER)),
    repeat(() => user.get(`/api/vaults/${id}/sources`)),
  ]);
  let strangers = 0;
  streams.push(repeat(() => newStranger(++strangers).get('/api/me')), repeat(() => user.get('/readyz')));
  await pause(500);
  await postgres.kill();
  while (refused.count < 40) await pause(50);
  await postgres.restart();
  for (const id of vaults) while ((await user.post(`/api/vaults/${id}/sources`, PAPER)).status !== 201) await pause(50);
  while ((await user.get('/readyz')).status !== 200) await pause(50);
  running = false;
  await Promise.all(streams);

  const lines = service.output.slice(before).trim().split('\n');
  const count = (text) => lines.filter((line) => line.includes(text)).length;
  for (const use of ['writes', 'reads']) {
    assert.equal(count(`database unavailable for ${use}`), 1, lines.join('\n'));
    assert(count(`database available again for ${use}`) >= 1, lines.join('\n'));
  }
  assert.equal(count('ERROR'), 0, lines.join('\n'));
  // Each connection that failed during a commit is logged once.
  assert(lines.length <= 12, `${refused.count} requests were refused, and ${lines.length} lines were logged:\n${lines.join('\n')}`);
});
