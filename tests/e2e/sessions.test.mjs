// The end of a user session, and the secrets that must never be logged.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AUTH_LIBRARIES } from './auth-application.mjs';
import { PAPER, range, testEachTransport } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

/** The reason of a closed transport in the client: an orderly close, or an error of the client's own request. */
const TRANSPORT_CLOSED = /^transport (close|error)$/;

/** A `ttl` in seconds of a session that expired within the tolerance of 15 seconds: its socket, which has to connect, join and receive
 * an event first, even on a busy machine, has ten seconds left. */
const ALMOST_EXPIRED = -5;
const AN_HOUR = 3600;

/** How a client sends its session, and how its application replaces it by a renewed one. */
const [, authjs] = AUTH_LIBRARIES;
const CREDENTIALS = [
  {
    name: 'cookie',
    session: (user, ttl) => authjs.encode(user.service.secret, { sub: user.id, name: user.name }, ttl),
    options: (session) => ({ extraHeaders: { cookie: `${authjs.cookie}=${session}` } }),
    renew(client, session) {
      client.socket.io.opts.extraHeaders.cookie = `${authjs.cookie}=${session}`;
    },
  },
  {
    name: 'token',
    session: (user, ttl) => user.token({ ttl }),
    options: (session) => ({ auth: { token: session } }),
    renew(client, session) {
      client.socket.auth = { token: session };
    },
  },
];

// These tests wait for the end of a session, so they run at the same time.
describe('the end of a session', { concurrency: true }, () => {
  for (const credential of CREDENTIALS) {
    testEachTransport(`with a renewed ${credential.name} a client reconnects by itself when its session expires, is recovered and misses no event`, async ({ newUser, newVault, openClient }) => {
      const [ana, ben] = [newUser('ana'), newUser('ben')];
      const shared = await newVault(ana, { viewer: [ben] });
      const add = async () => (await ana.post(`/api/vaults/${shared.id}/sources`, PAPER)).expectStatus(201).seq;

      const client = openClient(credential.options(await credential.session(ben, ALMOST_EXPIRED)));
      const { id, pid } = await client.nextEvent('connect');
      const { seq } = await client.join(shared);
      await client.waitForSeq(shared, await add());
      credential.renew(client, await credential.session(ben, AN_HOUR));

      assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
      await add();
      assert.deepEqual(await client.nextEvent('connect'), { id, pid, recovered: true });
      const last = await add();
      await client.waitForSeq(shared, last);
      assert.deepEqual(client.eventsOf(shared).map((event) => event.seq), range(seq + 1, last));
      assert(!client.eventNames.includes('error'), `${client}`);
    });

    testEachTransport(`with the expired ${credential.name} a reconnect is refused with UNAUTHORIZED, and no event follows until it has a new one`, async ({ newUser, newVault, openClient }) => {
      const [ana, ben] = [newUser('ana'), newUser('ben')];
      const shared = await newVault(ana, { viewer: [ben] });
      const client = openClient(credential.options(await credential.session(ben, ALMOST_EXPIRED)));
      await client.nextEvent('connect');
      await client.join(shared);

      assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
      (await ana.post(`/api/vaults/${shared.id}/sources`, PAPER)).expectStatus(201);
      assert.equal(await client.nextEvent('connect_error'), 'UNAUTHORIZED');
      assert.deepEqual(client.eventNames, ['vault:joined']);
      assert.equal(client.socket.active, false);

      credential.renew(client, await credential.session(ben, AN_HOUR));
      client.socket.connect();
      await client.nextEvent('connect');
    });
  }
});

test('no token, secret, session id or pid is logged at any level', async () => {
  const service = await TestServer.start('serve', { RUST_LOG: 'trace', VAULTCAST__TELEMETRY__LOG_FORMAT: 'json' });
  const clients = [];
  try {
    const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
    const tokens = [];
    const encoders = [
      ...AUTH_LIBRARIES.map(({ encode }) => (secret, ttl) => encode(secret, { sub: ana.id }, ttl)),
      (secret, ttl) => ana.token({ secret, ttl }),
    ];
    for (const encode of encoders) {
      tokens.push(await encode(service.secret, AN_HOUR), await encode(service.secret, -AN_HOUR), await encode('another secret', AN_HOUR));
    }
    const opaque = 'a-session-that-is-looked-up-elsewhere';
    const sids = [];
    const pids = [];
    tokens.push(opaque, `${tokens[0]}x`);

    for (const token of tokens) {
      const cookie = `theme=dark; ${AUTH_LIBRARIES.map((library) => `${library.cookie}=${token}`).join('; ')}`;
      const chunks = `${AUTH_LIBRARIES[0].cookie}.0=${token.slice(0, 30)}; ${AUTH_LIBRARIES[0].cookie}.1=${token.slice(30)}`;
      for (const headers of [{ authorization: `Bearer ${token}` }, { cookie, authorization: '' }, { cookie: chunks, authorization: '' }]) {
        await ana.request('GET', '/api/me', undefined, headers);
        await ana.request('POST', '/api/vaults', { name: 'Plans' }, headers);
      }
      for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
        for (const options of [{ auth: { token } }, { extraHeaders: { cookie } }, { auth: { token: [token] } }]) {
          const client = new TestClient(service.url, { transports, reconnection: false, ...options });
          clients.push(client);
          await client.waitFor(() => client.log[0], () => `neither connected nor refused; ${client}`);
          if (client.socket.io.engine?.id) sids.push(client.socket.io.engine.id);
          if (client.identity.pid) pids.push(client.identity.pid);
          if (client.socket.connected) await client.expectError('vault:join', token, 'INVALID_VAULT_ID');
        }
      }
    }
    for (const client of clients) client.close();
    await service.stop();

    assert.match(service.output, /TRACE/);
    assert.match(service.output, /session refused/);
    // The log must not contain any part of a token, nor the beginning or the end of a part.
    const parts = tokens.flatMap((token) => token.split('.')).flatMap((part) => [part.slice(0, 40), part.slice(-40)]);
    assert(sids.length > 0 && pids.length > 0);
    const secrets = new Set([service.secret, opaque, ...sids, ...pids, ...parts.filter((part) => part.length >= 20)]);
    const leaks = service.output.split('\n').filter((line) => [...secrets].some((secret) => line.includes(secret)));
    assert.deepEqual(leaks.slice(0, 3), []);
  } finally {
    for (const client of clients) client.close();
    await service.dispose();
  }
});
