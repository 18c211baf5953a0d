// A real browser with somebody's real cookie: pages of the application may use it, pages of others may not, whether
// the browser sends them the cookie or not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Application, LIBRARIES } from './application.mjs';
import { Site, withChromium } from './chromium.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

const SECRET = 'a secret of the tests that is long enough to sign with';
const [, authjs] = LIBRARIES;

/** Runs in a page of the application: signs Ana in and does what its user does. */
async function use(service, next) {
  const { csrfToken } = await (await fetch('/api/auth/csrf')).json();
  const form = new URLSearchParams({ csrfToken, name: 'ana', callbackUrl: location.origin });
  await fetch('/api/auth/callback/credentials', { method: 'POST', body: form });

  const ask = (path, more) => fetch(service + path, { credentials: 'include', ...more });
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const me = await (await ask('/api/me')).json();
  const vault = await (await ask('/api/vaults', { ...post, body: JSON.stringify({ name: 'Plans' }) })).json();
  const source = JSON.stringify({ title: 'A paper', fileUrl: 'https://files.example.com/paper.pdf' });
  const added = await ask(`/api/vaults/${vault.id}/sources`, { ...post, body: source });
  const seq = added.headers.get('x-vault-seq');
  const roles = {};
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const socket = window.io(service, { transports, withCredentials: true, forceNew: true });
    roles[transports] = (await socket.timeout(10_000).emitWithAck('vault:join', vault.id)).role;
    socket.disconnect();
  }
  return { me, vault: vault.id, seq, roles, next };
}

/** Runs in a page of somebody else: tries whatever a page can try. */
async function attack(service, next) {
  const ask = (path, more) => fetch(service + path, { credentials: 'include', ...more });
  const forged = (how) => JSON.stringify({ name: `Forged by ${how}` });
  const socket = (transports) =>
    new Promise((resolve, reject) => {
      const one = window.io(service, { transports, withCredentials: true, forceNew: true, reconnection: false });
      one.on('connect', () => resolve(`connected as ${one.id}`));
      one.on('connect_error', reject);
    });
  const submit = () => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', action: `${service}/api/vaults`, enctype: 'text/plain', target: 'aside' });
    const field = document.createElement('input');
    Object.assign(field, { name: '{"name":"Forged by a form","more":"', value: '"}' });
    form.append(field);
    document.body.append(form);
    const done = new Promise((resolve) => document.querySelector('iframe').addEventListener('load', () => resolve('sent')));
    form.submit();
    return done;
  };
  const attempts = {
    'reads who one is': async () => (await ask('/api/me')).text(),
    'reads the vaults': async () => (await ask('/api/vaults')).text(),
    'reads without asking': async () => (await ask('/api/me', { mode: 'no-cors' })).text(),
    'posts JSON': async () => (await ask('/api/vaults', { method: 'POST', headers: { 'content-type': 'application/json' }, body: forged('JSON') })).text(),
    'posts without asking': async () => (await ask('/api/vaults', { method: 'POST', mode: 'no-cors', body: forged('text') })).text(),
    'sends a beacon': async () => navigator.sendBeacon(`${service}/api/vaults`, forged('a beacon')) && 'sent',
    'submits a form': submit,
    'opens a handshake': async () => (await ask('/socket.io/?EIO=4&transport=polling')).text(),
    'opens a websocket': () =>
      new Promise((resolve, reject) => {
        const websocket = new WebSocket(`${service.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
        websocket.onmessage = ({ data }) => resolve(data);
        websocket.onerror = () => reject(new Error('not opened'));
      }),
    'connects by polling': () => socket(['polling']),
    'connects by websocket': () => socket(['websocket']),
  };
  const found = { next };
  for (const [what, attempt] of Object.entries(attempts)) {
    found[what] = await attempt().then((read) => ({ read }), (error) => ({ refused: String(error) }));
  }
  return found;
}

const [home, strange] = [new Site(), new Site()];
let application, service, careless;

before(async () => {
  application = await Application.start(authjs, { secret: SECRET, pages: home.serve });
  await strange.start();
  const sameSite = `http://127.0.0.1:${strange.port}`;
  const allowing = (...origins) =>
    Service.start('serve', {
      AUTH_SECRET: SECRET,
      VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify(origins),
      // A handshake that is not followed up is waited for when the service stops.
      VAULTCAST__SERVER__SHUTDOWN_GRACE: '1s',
    });
  service = await allowing(application.url);
  careless = await allowing(application.url, sameSite);

  // From page to page: signed in at home, then lured elsewhere.
  home.page('/home', use, service.url, `${sameSite}/same-site`);
  strange.page('/same-site', attack, service.url, `http://localhost:${strange.port}/other-site`);
  strange.page('/other-site', attack, service.url, `${sameSite}/let-in`);
  strange.page('/let-in', attack, careless.url);
});

after(async () => {
  await Promise.all([application?.close(), strange.server && strange.close(), service?.dispose(), careless?.dispose()]);
});

test('pages of the application use the cookie, and pages of others can neither read nor write with it', { timeout: 120_000 }, () =>
  withChromium(`${application.url}/home`, async () => {
    const used = await home.found('/home');
    assert.deepEqual(used.me, { id: 'id-of-ana', name: 'ana', email: 'ana@example.com' }, JSON.stringify(used));
    assert.equal(used.seq, '1');
    assert.deepEqual(used.roles, { polling: 'owner', websocket: 'owner', 'polling,websocket': 'owner' });

    for (const page of ['/same-site', '/other-site']) {
      const { next, ...attempts } = await strange.found(page);
      assert.equal(Object.keys(attempts).length, 11, JSON.stringify(attempts));
      for (const [what, { read, refused }] of Object.entries(attempts)) {
        // What a page sends without asking it may send, but it does not hear what came of it.
        const blind = ['reads without asking', 'posts without asking', 'sends a beacon', 'submits a form'].includes(what);
        if (blind) assert(['', 'sent'].includes(read), `${page} ${what}: ${read}`);
        else assert.match(refused, /Failed to fetch|not opened|xhr poll error|websocket error/, `${page} ${what}: ${read}`);
      }
    }
    const ana = new Person(service, 'id-of-ana', 'ana', 'ana@example.com');
    const { vaults } = (await ana.get('/api/vaults')).is(200).body;
    assert.deepEqual(vaults.map(({ name, seq }) => [name, seq]), [['Plans', 1]]);

    // The same page where its origin is allowed: it was the origin that was refused, not the cookie.
    const { next, ...attempts } = await strange.found('/let-in');
    assert.equal(JSON.parse(attempts['reads who one is'].read).id, 'id-of-ana');
    for (const what of ['opens a handshake', 'opens a websocket', 'connects by polling', 'connects by websocket']) {
      assert.match(attempts[what].read, /^0\{"sid"|^connected as /, `${what}: ${JSON.stringify(attempts[what])}`);
    }
    const forged = (await new Person(careless, ana.id, ana.name, ana.email).get('/api/vaults')).is(200).body.vaults;
    assert.deepEqual(forged.map(({ name }) => name), ['Forged by JSON']);
  }));
