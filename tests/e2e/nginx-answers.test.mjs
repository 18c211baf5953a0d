// What a proxy changes in requests and answers: compression and ETags, ids in paths, bodies in chunks, and the proxy's own errors while the
// service is down.

import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import { after, before, test } from 'node:test';
import { TestSite, withChromium } from './chromium.mjs';
import { NginxProxy } from './nginx-proxy.mjs';
import { TestClient } from './test-client.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

/** User ids that URL parsers and proxies treat specially. */
const IDS = ['.', '..', '...', '/', '//', '/../../../../../x', 'a/../b', '%', '%2e%2e', '%2F', '?', '#', '+', '&', '=', ';', '@', ':', '\\', '"', "'", '|', '^', '`', '{}', '[]', '<>', '~', 'auth0|5f7', 'ana@example.com'];

const open = [];
after(async () => {
  for (const resource of open.reverse()) await (resource.close ? resource.close() : resource.dispose());
});
const track = (resource) => (open.push(resource), resource);

const site = new TestSite();
let service, nginx, ana, headers, vault;
before(async () => {
  await site.start();
  track(site);
  service = track(
    await TestServer.start('serve', {
      VAULTCAST__SERVER__TRUSTED_PROXIES: '["127.0.0.1"]',
      VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify([`http://127.0.0.1:${site.port}`]),
      VAULTCAST__SERVER__SHUTDOWN_GRACE: '3s',
      VAULTCAST__LIMITS__MUTATIONS_PER_SECOND: '0',
    }),
  );
  nginx = track(await NginxProxy.start([service], undefined, { compresses: true }));
  ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  headers = { authorization: `Bearer ${ana.token()}`, 'content-type': 'application/json', 'accept-encoding': 'gzip' };
  vault = (await ana.post('/api/vaults', { name: 'Plans' })).expectStatus(201).body;
});

const send = (method, target, body, extraHeaders) =>
  nginx.request(method, target, { headers: { ...headers, ...extraHeaders }, body: body && JSON.stringify(body) });

test('the ETag of a compressed answer is accepted in If-Match and If-None-Match', async () => {
  const { body: source } = (await ana.post(`/api/vaults/${vault.id}/sources`, PAPER)).expectStatus(201);
  const target = `/api/sources/${source.id}`;
  const read = await send('GET', target);
  assert.equal(read.headers['content-encoding'], 'gzip');
  const { etag } = read.headers;
  assert.match(etag, /^W\/"\d+"$/);
  assert.equal((await send('GET', target, undefined, { 'if-none-match': etag })).status, 304);

  const changed = await send('PATCH', target, { title: 'New' }, { 'if-match': etag });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers.etag, etag);
  assert.equal((await send('GET', target, undefined, { 'if-none-match': etag })).status, 200);
  const stale = { 'if-match': etag };
  assert.equal((await send('PATCH', target, { title: 'Newer' }, stale)).body.code, 'PRECONDITION_FAILED');
  assert.equal((await send('DELETE', target, undefined, stale)).body.code, 'PRECONDITION_FAILED');
  assert.equal((await send('DELETE', target, undefined, { 'if-match': changed.headers.etag })).status, 204);
});

/** Runs in a page and here: adds, changes and removes a member with each of these ids. Returns the ids and statuses that are wrong. */
async function changeMembers(members, token, ids) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const status = async (url, method, body) => (await fetch(url, { method, headers, body: JSON.stringify(body) })).status;
  const wrong = [];
  for (const userId of ids) {
    const byQuery = `${members}?userId=${encodeURIComponent(userId)}`;
    const byPath = `${members}/${encodeURIComponent(userId)}`;
    for (const url of ['.', '..'].includes(userId) ? [byQuery] : [byQuery, byPath]) {
      const statuses = [
        await status(members, 'POST', { userId, role: 'viewer' }),
        await status(url, 'PATCH', { role: 'contributor' }),
        await status(url, 'DELETE'),
      ];
      if (String(statuses) !== '201,200,204') wrong.push([url, ...statuses]);
    }
  }
  return wrong;
}

test('every user id can be added, changed and removed with fetch of Node.js and of Chromium', { timeout: 180_000 }, async () => {
  const args = [`${service.url}/api/vaults/${vault.id}/members`, ana.token(), IDS];
  assert.deepEqual(await changeMembers(...args), []);
  site.addPage('/members', changeMembers, ...args);
  await withChromium(`http://127.0.0.1:${site.port}/members`, async () => {
    assert.deepEqual(await site.waitForReport('/members'), []);
  });
});

test('every user id can be added, changed and removed through nginx', async () => {
  const members = `/api/vaults/${vault.id}/members`;
  for (const userId of IDS) {
    const encoded = encodeURIComponent(userId);
    // nginx resolves the segments of a decoded path, so that this id leads out of the API.
    const isLost = ['.', '..', '/../../../../../x'].includes(userId);
    for (const target of [`${members}?userId=${encoded}`, ...(isLost ? [] : [`${members}/${encoded}`])]) {
      assert.equal((await send('POST', members, { userId, role: 'viewer' })).status, 201, target);
      assert.equal((await send('PATCH', target, { role: 'contributor' })).status, 200, target);
      assert.equal((await send('DELETE', target)).status, 204, target);
    }
  }
  // What a URL parser makes of …/members/.. and …/members/. deletes nothing.
  for (const id of ['..', '.']) assert.equal((await send('DELETE', `${members}/${id}`)).status, 404);
  assert.equal((await send('GET', `/api/vaults/${vault.id}`)).status, 200);
});

test('polls and posts in several chunks pass nginx', async () => {
  const transports = ['polling'];
  const { via, ...options } = nginx.clientOptions();
  const client = track(new TestClient(via.url, { transports, auth: { token: ana.token() }, ...options }));
  await client.nextEvent('connect');
  const { seq } = await client.join(vault);
  // One answer of a poll, larger than the buffers of nginx.
  const large = { ...PAPER, title: 'ü'.repeat(500), fileKey: 'ü'.repeat(512) };
  const added = await Promise.all(range(1, 100).map(() => client.emitOk('source:created', { vaultId: vault.id, source: large })));
  await client.waitForSeq(vault, seq + added.length);
  assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(seq + 1, seq + added.length));

  const chunked = httpsRequest(`${nginx.url}/api/vaults`, { method: 'POST', headers, ca: nginx.ca });
  const answered = new Promise((resolve, reject) => chunked.on('response', resolve).on('error', reject));
  for (const part of ['{"na', 'me":', '"In chunks"}']) await new Promise((resolve) => chunked.write(part, resolve));
  chunked.end();
  assert.equal((await answered).statusCode, 201);
});

test('an error of nginx itself is JSON, and errors of the service pass unchanged', async () => {
  const tooLarge = await nginx.request('POST', '/api/vaults', { headers: { ...headers, 'content-length': 3_000_000 } });
  assert.deepEqual([tooLarge.status, tooLarge.body.code], [413, 'PAYLOAD_TOO_LARGE']);
  const ownLimit = await nginx.request('POST', '/api/vaults', { headers: { ...headers, 'accept-encoding': 'identity' }, body: JSON.stringify({ name: 'x'.repeat(1_500_000) }) });
  assert.match(ownLimit.body.message, /server\.max_body/);
  const cookie = range(0, 4).map((chunk) => `authjs.session-token.${chunk}=${'x'.repeat(4000)}`).join('; ');
  assert.equal((await nginx.request('GET', '/api/me', { headers: { cookie } })).status, 401);
});

test('while the service is down nginx answers UNAVAILABLE, and clients come back', { timeout: 180_000 }, async () => {
  const { via, ...options } = nginx.clientOptions();
  const transports = ['polling'];
  const client = track(new TestClient(via.url, { transports, auth: { token: ana.token() }, ...options }));
  const before = await client.nextEvent('connect');
  await service.stop();
  for (const [method, target] of [['GET', '/api/me'], ['HEAD', '/api/me'], ['POST', '/api/vaults'], ['GET', '/socket.io/?EIO=4&transport=polling']]) {
    const answer = await nginx.request(method, target, { headers: { origin: 'https://allowed.example' } });
    assert.deepEqual([answer.status, answer.headers['retry-after'], answer.headers['cache-control']], [502, '1', 'no-store'], target);
    assert.match(answer.headers['content-type'], /^application\/json/);
    if (method !== 'HEAD') assert.deepEqual(Object.keys(answer.body).concat(answer.body.code), ['message', 'code', 'UNAVAILABLE']);
    // docs/operations/proxies.md says so: nginx does not know the allowed origins.
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
  assert.equal(await client.nextEvent('connect_error'), 'xhr poll error');
  await service.restart();
  assert.deepEqual(await client.nextEvent('connect'), { ...before, recovered: true });
});
