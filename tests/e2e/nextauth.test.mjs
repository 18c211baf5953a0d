// Sessions as the real libraries make them: somebody signs in with NextAuth 4 or Auth.js 5, and the cookies that were
// set are good at both doors.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application, LIBRARIES } from './application.mjs';
import { PAPER, story } from './harness.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

/** Somebody who has nothing but cookies. */
class Visitor extends Person {
  constructor(service, name, browser) {
    super(service, `id-of-${name}`, name, `${name}@example.com`);
    this.browser = browser;
  }

  request(method, path, body, headers) {
    return super.request(method, path, body, { authorization: '', cookie: this.browser.cookie, ...headers });
  }

  get knocking() {
    return { extraHeaders: { cookie: this.browser.cookie } };
  }
}

async function beside(service, library, options, tell) {
  const application = await Application.start(library, { secret: service.secret, ...options });
  try {
    await tell(application);
  } finally {
    await application.close();
  }
}

for (const library of LIBRARIES) {
  for (const secure of [false, true]) {
    const cookie = (secure ? '__Secure-' : '') + library.cookie;

    story(`who signed in with ${library.name} has a vault and a socket by the cookie ${cookie}`, ({ service, knock }) =>
      beside(service, library, { secure }, async (application) => {
        const ana = new Visitor(service, 'ana', await application.signIn('ana'));
        assert.deepEqual(ana.browser.session().map(([name]) => name), [cookie]);
        const { body: me } = (await ana.get('/api/me')).is(200);
        assert.deepEqual(me, { id: 'id-of-ana', name: 'ana', email: 'ana@example.com' });

        const { body: vault } = (await ana.post('/api/vaults', { name: 'Plans' })).is(201);
        const listener = knock(ana.knocking);
        await listener.hears('connect');
        assert.equal((await listener.join(vault)).role, 'owner');
        (await ana.post(`/api/vaults/${vault.id}/sources`, PAPER)).is(201);
        const { actor } = await listener.hears('source:created');
        assert.deepEqual(actor, ana.as('owner'));
        listener.socket.emit('source:created', { vaultId: vault.id, source: PAPER });
        await listener.hears('source:created');
      }));
  }

  story(`a session of ${library.name} that is too long for one cookie is put together again`, ({ service, knock }) =>
    beside(service, library, { bulky: true }, async (application) => {
      const ana = new Visitor(service, 'ana', await application.signIn('ana'));
      const names = ana.browser.session().map(([name]) => name);
      assert(names.length > 2, `${names}`);
      assert.deepEqual(names, names.map((_, number) => `${library.cookie}.${number}`));
      (await ana.get('/api/me')).is(200);
      await knock(ana.knocking).hears('connect');
    }));

  story(`a session of ${library.name} is good as a token, too`, ({ service, knock }) =>
    beside(service, library, {}, async (application) => {
      const ana = new Visitor(service, 'ana', await application.signIn('ana'));
      const [[, token]] = ana.browser.session();
      const authorization = `Bearer ${token}`;
      (await ana.request('GET', '/api/me', undefined, { authorization, cookie: '' })).is(200);
      await knock({ auth: { token } }).hears('connect');
      await knock({ extraHeaders: { authorization } }).hears('connect');
    }));

  story(`a session that ${library.name} has renewed is good, and one that was signed out is none`, ({ service, knock }) =>
    beside(service, library, {}, async (application) => {
      const ana = new Visitor(service, 'ana', await application.signIn('ana'));
      const [[, before]] = ana.browser.session();
      await ana.browser.visit('/api/auth/session');
      assert.notEqual(ana.browser.session()[0][1], before);
      (await ana.get('/api/me')).is(200);
      await knock(ana.knocking).hears('connect');

      await ana.browser.signOut();
      assert.deepEqual(ana.browser.session(), []);
      (await ana.get('/api/me')).refuses(401, 'UNAUTHORIZED');
      assert.equal(await knock(ana.knocking).hears('connect_error'), 'UNAUTHORIZED');
    }));

  story(`a session of ${library.name} that was made with another secret opens no door`, ({ service, knock }) =>
    beside(service, library, { secret: 'of another house, and long enough to be taken' }, async (application) => {
      const eve = new Visitor(service, 'eve', await application.signIn('eve'));
      (await eve.get('/api/me')).refuses(401, 'UNAUTHORIZED');
      assert.equal(await knock(eve.knocking).hears('connect_error'), 'UNAUTHORIZED');
    }));

  test(`while its secret is replaced, sessions of ${library.name} are good by the new one and the old one`, async () => {
    const [fresh, old] = ['the new secret of the tests that is long enough', 'the old secret of the tests that is long enough'];
    const service = await Service.start('serve', { AUTH_SECRET: `${fresh},${old}` });
    try {
      for (const secret of [fresh, old]) {
        await beside(service, library, { secret }, async (application) => {
          const ana = new Visitor(service, 'ana', await application.signIn('ana'));
          (await ana.get('/api/me')).is(200);
        });
      }
    } finally {
      await service.dispose();
    }
  });
}
