// When a session ends, and what is never told of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIBRARIES } from './application.mjs';
import { PAPER, range, story } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

/** The end of a transport, as the client names it: closed in order, or gone under a request of its own. */
const TRANSPORT_ENDED = /^transport (close|error)$/;

/** It ended so many seconds ago: within the tolerance of 15, so that a socket has three left. */
const ALMOST_OVER = -12;
const AN_HOUR = 3600;

/** How a client brings its session, and how its application puts a newer one in that place. */
const [, authjs] = LIBRARIES;
const WAYS = [
  {
    name: 'cookie',
    session: (person, ttl) => authjs.encode(person.service.secret, { sub: person.id, name: person.name }, ttl),
    bring: (session) => ({ extraHeaders: { cookie: `${authjs.cookie}=${session}` } }),
    renew(listener, session) {
      listener.socket.io.opts.extraHeaders.cookie = `${authjs.cookie}=${session}`;
    },
  },
  {
    name: 'token',
    session: (person, ttl) => person.token({ ttl }),
    bring(session) {
      this.current = session;
      return { auth: (answer) => answer({ token: this.current }) };
    },
    renew(listener, session) {
      this.current = session;
    },
  },
];

for (const way of WAYS) {
  story(`with a renewed ${way.name} a client comes back by itself when its session has ended, as who it was, and misses nothing`, async ({ user, vault, knock }) => {
    const [ana, ben] = [user('ana'), user('ben')];
    const shared = await vault(ana, { viewer: [ben] });
    const add = async () => (await ana.post(`/api/vaults/${shared.id}/sources`, PAPER)).is(201).seq;

    const listener = knock(way.bring(await way.session(ben, ALMOST_OVER)));
    const { id, pid } = await listener.hears('connect');
    const { seq } = await listener.join(shared);
    await listener.reaches(shared, await add());
    way.renew(listener, await way.session(ben, AN_HOUR));

    assert.match(await listener.hears('disconnect'), TRANSPORT_ENDED);
    await add();
    assert.deepEqual(await listener.hears('connect'), { id, pid, recovered: true });
    const last = await add();
    await listener.reaches(shared, last);
    assert.deepEqual(listener.eventsOf(shared).map((event) => event.seq), range(seq + 1, last));
    assert(!listener.names.includes('error'), `${listener}`);
  });

  story(`with the old ${way.name} a client that comes back is told UNAUTHORIZED, and hears nothing more`, async ({ user, vault, knock }) => {
    const [ana, ben] = [user('ana'), user('ben')];
    const shared = await vault(ana, { viewer: [ben] });
    const listener = knock(way.bring(await way.session(ben, ALMOST_OVER)));
    await listener.hears('connect');
    await listener.join(shared);

    assert.match(await listener.hears('disconnect'), TRANSPORT_ENDED);
    (await ana.post(`/api/vaults/${shared.id}/sources`, PAPER)).is(201);
    assert.equal(await listener.hears('connect_error'), 'UNAUTHORIZED');
    assert.deepEqual(listener.names, ['vault:joined']);
    assert.equal(listener.socket.active, false);
  });
}

test('no token, no secret and nothing that a client is known by is ever logged, however much is', async () => {
  const service = await Service.start('serve', { RUST_LOG: 'trace', VAULTCAST__TELEMETRY__LOG_FORMAT: 'json' });
  const listeners = [];
  try {
    const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
    const tokens = [];
    const kinds = [
      ...LIBRARIES.map(({ encode }) => (secret, ttl) => encode(secret, { sub: ana.id }, ttl)),
      (secret, ttl) => ana.token({ secret, ttl }),
    ];
    for (const kind of kinds) {
      tokens.push(await kind(service.secret, AN_HOUR), await kind(service.secret, -AN_HOUR), await kind('of another house', AN_HOUR));
    }
    const opaque = 'a-session-that-is-looked-up-elsewhere';
    const sids = [];
    const pids = [];
    tokens.push(opaque, `${tokens[0]}x`);

    for (const token of tokens) {
      const cookie = `theme=dark; ${LIBRARIES.map((library) => `${library.cookie}=${token}`).join('; ')}`;
      const chunks = `${LIBRARIES[0].cookie}.0=${token.slice(0, 30)}; ${LIBRARIES[0].cookie}.1=${token.slice(30)}`;
      for (const headers of [{ authorization: `Bearer ${token}` }, { cookie, authorization: '' }, { cookie: chunks, authorization: '' }]) {
        await ana.request('GET', '/api/me', undefined, headers);
        await ana.request('POST', '/api/vaults', { name: 'Plans' }, headers);
      }
      for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
        for (const options of [{ auth: { token } }, { extraHeaders: { cookie } }, { auth: { token: [token] } }]) {
          const listener = new Listener(service.url, { transports, reconnection: false, ...options });
          listeners.push(listener);
          await listener.until(() => listener.log[0], () => `no answer; ${listener}`);
          if (listener.socket.io.engine?.id) sids.push(listener.socket.io.engine.id);
          if (listener.self.pid) pids.push(listener.self.pid);
          if (listener.socket.connected) await listener.isRefused('vault:join', token, 'INVALID_VAULT_ID');
        }
      }
    }
    for (const listener of listeners) listener.close();
    await service.stop();

    assert.match(service.output, /TRACE/);
    assert.match(service.output, /session refused/);
    // Any part of a token, and any half of a part, would be too much.
    const parts = tokens.flatMap((token) => token.split('.')).flatMap((part) => [part.slice(0, 40), part.slice(-40)]);
    assert(sids.length > 0 && pids.length > 0);
    const secrets = new Set([service.secret, opaque, ...sids, ...pids, ...parts.filter((part) => part.length >= 20)]);
    const told = service.output.split('\n').filter((line) => [...secrets].some((secret) => line.includes(secret)));
    assert.deepEqual(told.slice(0, 3), []);
  } finally {
    for (const listener of listeners) listener.close();
    await service.dispose();
  }
});
