// Sessions of the real libraries: a user signs in with NextAuth 4 or Auth.js 5, and the service accepts the session cookies over HTTP
// and on sockets. Auth.js refuses requests through a proxy unless it is configured, as docs/sessions.md says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Auth, setEnvDefaults } from '@auth/core';
import { AuthApplication, AUTH_LIBRARIES } from './auth-application.mjs';
import { PAPER, testEachTransport } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

/** A user who authenticates with cookies only. */
class CookieUser extends TestUser {
  constructor(service, name, browser) {
    super(service, `id-of-${name}`, name, `${name}@example.com`);
    this.browser = browser;
  }

  request(method, path, body, headers) {
    return super.request(method, path, body, { authorization: '', cookie: this.browser.cookie, ...headers });
  }

  get clientOptions() {
    return { extraHeaders: { cookie: this.browser.cookie } };
  }
}

const [NEW_SECRET, OLD_SECRET] = ['the new secret of the tests that is long enough', 'the old secret of the tests that is long enough'];

/** Runs a test beside an application that has the secret of the service, or reads the secrets of `env`. */
async function withAuthApplication(service, library, options, run) {
  const secret = options.env ? undefined : service.secret;
  const application = await AuthApplication.start(library, { secret, ...options });
  try {
    await run(application);
  } finally {
    await application.close();
  }
}

for (const library of AUTH_LIBRARIES) {
  for (const secure of [false, true]) {
    const cookie = (secure ? '__Secure-' : '') + library.cookie;

    testEachTransport(`a user who signed in with ${library.name} creates a vault and connects a socket with the cookie ${cookie}`, ({ service, openClient }) =>
      withAuthApplication(service, library, { secure }, async (application) => {
        const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
        assert.deepEqual(ana.browser.sessionCookies().map(([name]) => name), [cookie]);
        const { body: me } = (await ana.get('/api/me')).expectStatus(200);
        assert.deepEqual(me, { id: 'id-of-ana', name: 'ana', email: 'ana@example.com' });

        const { body: vault } = (await ana.post('/api/vaults', { name: 'Plans' })).expectStatus(201);
        const client = openClient(ana.clientOptions);
        await client.nextEvent('connect');
        assert.equal((await client.join(vault)).role, 'owner');
        (await ana.post(`/api/vaults/${vault.id}/sources`, PAPER)).expectStatus(201);
        const { actor } = await client.nextEvent('source:created');
        assert.deepEqual(actor, ana.actor('owner'));
        client.socket.emit('source:created', { vaultId: vault.id, source: PAPER });
        await client.nextEvent('source:created');
      }));
  }

  testEachTransport(`a session of ${library.name} that spans several cookies is accepted`, ({ service, openClient }) =>
    withAuthApplication(service, library, { bulky: true }, async (application) => {
      const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
      const names = ana.browser.sessionCookies().map(([name]) => name);
      assert(names.length > 2, `${names}`);
      assert.deepEqual(names, names.map((_, number) => `${library.cookie}.${number}`));
      (await ana.get('/api/me')).expectStatus(200);
      await openClient(ana.clientOptions).nextEvent('connect');
    }));

  testEachTransport(`a session of ${library.name} is accepted as a token`, ({ service, openClient }) =>
    withAuthApplication(service, library, {}, async (application) => {
      const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
      const [[, token]] = ana.browser.sessionCookies();
      const authorization = `Bearer ${token}`;
      (await ana.request('GET', '/api/me', undefined, { authorization, cookie: '' })).expectStatus(200);
      await openClient({ auth: { token } }).nextEvent('connect');
      await openClient({ extraHeaders: { authorization } }).nextEvent('connect');
    }));

  testEachTransport(`a session that ${library.name} renewed is accepted, and one that was signed out is refused`, ({ service, openClient }) =>
    withAuthApplication(service, library, {}, async (application) => {
      const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
      const [[, before]] = ana.browser.sessionCookies();
      await ana.browser.visit('/api/auth/session');
      assert.notEqual(ana.browser.sessionCookies()[0][1], before);
      (await ana.get('/api/me')).expectStatus(200);
      await openClient(ana.clientOptions).nextEvent('connect');

      await ana.browser.signOut();
      assert.deepEqual(ana.browser.sessionCookies(), []);
      (await ana.get('/api/me')).expectError(401, 'UNAUTHORIZED');
      assert.equal(await openClient(ana.clientOptions).nextEvent('connect_error'), 'UNAUTHORIZED');
    }));

  testEachTransport(`a socket stays open after its user has signed out with ${library.name} and the jwt strategy`, ({ service, openClient }) =>
    withAuthApplication(service, library, {}, async (application) => {
      const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
      const { body: vault } = (await ana.post('/api/vaults', { name: 'Plans' })).expectStatus(201);
      const client = openClient(ana.clientOptions);
      await client.nextEvent('connect');
      await client.join(vault);
      const { cookie } = ana.browser;

      await ana.browser.signOut();
      assert.deepEqual(ana.browser.sessionCookies(), []);
      (await ana.post(`/api/vaults/${vault.id}/sources`, PAPER, { cookie })).expectStatus(201);
      await client.nextEvent('source:created');
    }));

  testEachTransport(`a session of ${library.name} that was signed with another secret is refused`, ({ service, openClient }) =>
    withAuthApplication(service, library, { secret: 'another secret that is long enough to be accepted' }, async (application) => {
      const eve = new CookieUser(service, 'eve', await application.signIn('eve'));
      (await eve.get('/api/me')).expectError(401, 'UNAUTHORIZED');
      assert.equal(await openClient(eve.clientOptions).nextEvent('connect_error'), 'UNAUTHORIZED');
    }));

  test(`during a secret rotation sessions of ${library.name} are accepted with the new and the old secret`, async () => {
    const service = await TestServer.start('serve', { AUTH_SECRET: `${NEW_SECRET}, ${OLD_SECRET}\n` });
    try {
      for (const secret of [NEW_SECRET, OLD_SECRET, `${OLD_SECRET}\n`]) {
        await withAuthApplication(service, library, { secret }, async (application) => {
          const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
          (await ana.get('/api/me')).expectStatus(200);
        });
      }
    } finally {
      await service.dispose();
    }
  });

  for (const [name, value] of [['a line break at its end', `${NEW_SECRET}\n`], ['blanks around it', ` ${NEW_SECRET}\t`], ['a comma', 'twenty bytes, no more,twenty bytes, no more']]) {
    test(`a secret with ${name} is the same for ${library.name} and the service, and is not logged`, async () => {
      const env = { AUTH_SECRET: value };
      const service = await TestServer.start('serve', env);
      try {
        await withAuthApplication(service, library, { env }, async (application) => {
          const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
          (await ana.get('/api/me')).expectStatus(200);
        });
        const flaw = /secret may not be as intended; it is used to the letter/;
        assert.match(service.output, flaw);
        const checked = await service.run('check');
        assert.match(checked, flaw);
        for (const output of [service.output, checked]) assert(!output.includes(value.trim()), output);
      } finally {
        await service.dispose();
      }
    });
  }
}

test('Auth.js in production answers only with AUTH_URL or AUTH_TRUST_HOST', async () => {
  const answer = async (env) => {
    const logged = [];
    const logger = { error: ({ name }) => logged.push(name), warn() {}, debug() {} };
    const config = { secret: 'a secret of the application', providers: [], basePath: '/api/auth', logger };
    setEnvDefaults({ NODE_ENV: 'production', ...env }, config);
    const { status } = await Auth(new Request('http://127.0.0.1:3001/api/auth/csrf'), config);
    return { status, logged };
  };
  const refused = { status: 500, logged: ['UntrustedHost'] };
  for (const env of [{}, { NEXTAUTH_URL: 'https://app.example.com' }]) assert.deepEqual(await answer(env), refused);
  for (const env of [{ AUTH_URL: 'https://app.example.com' }, { AUTH_TRUST_HOST: 'true' }, { AUTH_TRUST_HOST: 'false' }]) {
    assert.deepEqual(await answer(env), { status: 200, logged: [] });
  }
});

test('secrets that Auth.js 5 rotates with AUTH_SECRET_1 to AUTH_SECRET_3 are those of the service, the highest number first', async () => {
  const library = AUTH_LIBRARIES.find(({ name }) => name === 'Auth.js 5');
  const secrets = { AUTH_SECRET: '', AUTH_SECRET_1: OLD_SECRET, AUTH_SECRET_2: `${NEW_SECRET}, with a comma`, AUTH_SECRET_3: `${NEW_SECRET}\n` };
  const service = await TestServer.start('serve', secrets);
  try {
    // The application adds one secret after the other; each session stays valid.
    const users = [];
    for (let count = 1; count <= 3; count += 1) {
      const env = Object.fromEntries(Object.entries(secrets).slice(0, count + 1));
      await withAuthApplication(service, library, { env }, async (application) => {
        users.push(new CookieUser(service, 'ana', await application.signIn('ana')));
      });
    }
    for (const ana of users) (await ana.get('/api/me')).expectStatus(200);
    const output = await service.run('token', '--user', 'ben');
    assert.match(output, /signed with the secret in AUTH_SECRET_3/);
    const [token] = output.match(/ey[\w.-]+/);
    const answer = await fetch(`${service.url}/api/me`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((await answer.json()).id, 'ben');
  } finally {
    await service.dispose();
  }
});

test('when no secret decrypts a session, a log line names the variables and what may be wrong, once a minute', async () => {
  const service = await TestServer.start('serve', { AUTH_SECRET: `${NEW_SECRET}\n` });
  try {
    for (const library of AUTH_LIBRARIES) {
      await withAuthApplication(service, library, { secret: NEW_SECRET }, async (application) => {
        const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
        (await ana.get('/api/me')).expectError(401, 'UNAUTHORIZED');
      });
    }
    const lines = service.output.match(/session refused: no configured secret .*/g);
    assert.equal(lines.length, 1);
    assert.match(lines[0], /the secret in AUTH_SECRET, which has a line break at an end/);
    assert(!service.output.includes(NEW_SECRET));
  } finally {
    await service.dispose();
  }
});

test('with accept = ["next-auth"], a session cookie that an Auth.js 5 project on the same host has left does not hide a good one', async () => {
  const service = await TestServer.start('serve', { VAULTCAST__AUTH__ACCEPT: '["next-auth"]' });
  try {
    const [nextAuth, authjs] = AUTH_LIBRARIES;
    for (const stale of [{}, { secure: true }, { bulky: true }]) {
      await withAuthApplication(service, authjs, { secret: OLD_SECRET, ...stale }, (project) =>
        withAuthApplication(service, nextAuth, {}, async (application) => {
          const left = await project.signIn('eve');
          const ana = new CookieUser(service, 'ana', await application.signIn('ana'));
          const cookie = `${left.cookie}; ${ana.browser.cookie}`;
          assert.equal((await ana.request('GET', '/api/me', undefined, { cookie })).expectStatus(200).body.id, 'id-of-ana');
        }));
    }
  } finally {
    await service.dispose();
  }
});
