// A real browser with a real session cookie. Pages of the application may use the cookie, and pages of other origins may not,
// whether or not the browser sends it with their requests.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AuthApplication, AUTH_LIBRARIES } from './auth-application.mjs';
import { TestSite, withChromium } from './chromium.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

const SECRET = 'a secret of the tests that is long enough to sign with';
const [, authjs] = AUTH_LIBRARIES;

/** Runs in a page of the application: signs Ana in and uses the service. */
async function useService(service, next) {
  const { csrfToken } = await (await fetch('/api/auth/csrf')).json();
  const form = new URLSearchParams({ csrfToken, name: 'ana', callbackUrl: location.origin });
  await fetch('/api/auth/callback/credentials', { method: 'POST', body: form });

  const send = (path, more) => fetch(service + path, { credentials: 'include', ...more });
  const post = { method: 'POST', headers: { 'content-type': 'application/json' } };
  const me = await (await send('/api/me')).json();
  const vault = await (await send('/api/vaults', { ...post, body: JSON.stringify({ name: 'Plans' }) })).json();
  const source = JSON.stringify({ title: 'A paper', fileUrl: 'https://files.example.com/paper.pdf' });
  const added = await send(`/api/vaults/${vault.id}/sources`, { ...post, body: source });
  const seq = added.headers.get('x-vault-seq');
  const custom = { 'x-my-header': '1', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
  const withHeaders = await (await send('/api/me', { headers: custom })).json();
  const missing = await (await send('/nowhere', { headers: custom })).json();
  const roles = {};
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const socket = window.io(service, { transports, withCredentials: true, forceNew: true, extraHeaders: custom });
    roles[transports] = (await socket.timeout(30_000).emitWithAck('vault:join', vault.id)).role;
    socket.disconnect();
  }
  return { me, withHeaders, missing, vault: vault.id, seq, roles, next };
}

/** Runs in a page of another origin: attempts every kind of request that a page can send. */
async function attack(service, next) {
  const send = (path, more) => fetch(service + path, { credentials: 'include', ...more });
  const forged = (method) => JSON.stringify({ name: `Forged by ${method}` });
  const socket = (transports) =>
    new Promise((resolve, reject) => {
      const client = window.io(service, { transports, withCredentials: true, forceNew: true, reconnection: false });
      client.on('connect', () => resolve(`connected as ${client.id}`));
      client.on('connect_error', reject);
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
    'reads the user': async () => (await send('/api/me')).text(),
    'reads the vaults': async () => (await send('/api/vaults')).text(),
    'reads with no-cors': async () => (await send('/api/me', { mode: 'no-cors' })).text(),
    'posts JSON': async () => (await send('/api/vaults', { method: 'POST', headers: { 'content-type': 'application/json' }, body: forged('JSON') })).text(),
    'posts with no-cors': async () => (await send('/api/vaults', { method: 'POST', mode: 'no-cors', body: forged('text') })).text(),
    'sends a beacon': async () => navigator.sendBeacon(`${service}/api/vaults`, forged('a beacon')) && 'sent',
    'submits a form': submit,
    'opens a handshake': async () => (await send('/socket.io/?EIO=4&transport=polling')).text(),
    'opens a websocket': () =>
      new Promise((resolve, reject) => {
        const websocket = new WebSocket(`${service.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
        websocket.onmessage = ({ data }) => resolve(data);
        websocket.onerror = () => reject(new Error('not opened'));
      }),
    'connects by polling': () => socket(['polling']),
    'connects by websocket': () => socket(['websocket']),
  };
  const results = { next };
  for (const [name, attempt] of Object.entries(attempts)) {
    results[name] = await attempt().then((read) => ({ read }), (error) => ({ refused: String(error) }));
  }
  return results;
}

const [appSite, otherSite] = [new TestSite(), new TestSite()];
let application, service, permissiveService;

before(async () => {
  application = await AuthApplication.start(authjs, { secret: SECRET, pages: appSite.serve });
  await otherSite.start();
  const sameSite = `http://127.0.0.1:${otherSite.port}`;
  const allowing = (...origins) =>
    TestServer.start('serve', {
      AUTH_SECRET: SECRET,
      VAULTCAST__SERVER__ALLOWED_ORIGINS: JSON.stringify(origins),
      // At a stop the service waits this long for sessions that never connect.
      VAULTCAST__SERVER__SHUTDOWN_GRACE: '1s',
    });
  service = await allowing(application.url);
  permissiveService = await allowing(application.url, sameSite);

  // Each page leads to the next: the user signs in to the application and then visits pages of other origins.
  appSite.addPage('/home', useService, service.url, `${sameSite}/same-site`);
  otherSite.addPage('/same-site', attack, service.url, `http://localhost:${otherSite.port}/other-site`);
  otherSite.addPage('/other-site', attack, service.url, `${sameSite}/allowed`);
  otherSite.addPage('/allowed', attack, permissiveService.url);
});

after(async () => {
  await Promise.all([application?.close(), otherSite.server && otherSite.close(), service?.dispose(), permissiveService?.dispose()]);
});

test('pages of the application can use the session cookie, and pages of other origins can neither read nor write with it', { timeout: 300_000 }, () =>
  withChromium(`${application.url}/home`, async () => {
    const used = await appSite.waitForReport('/home');
    assert.deepEqual(used.me, { id: 'id-of-ana', name: 'ana', email: 'ana@example.com' }, JSON.stringify(used));
    assert.equal(used.seq, '1');
    assert.deepEqual(used.withHeaders, used.me);
    assert.equal(used.missing.code, 'NOT_FOUND');
    assert.deepEqual(used.roles, { polling: 'owner', websocket: 'owner', 'polling,websocket': 'owner' });

    for (const page of ['/same-site', '/other-site']) {
      const { next, ...attempts } = await otherSite.waitForReport(page);
      assert.equal(Object.keys(attempts).length, 11, JSON.stringify(attempts));
      for (const [name, { read, refused }] of Object.entries(attempts)) {
        // A page can send requests without a preflight, but it cannot read the answers.
        const isUnreadable = ['reads with no-cors', 'posts with no-cors', 'sends a beacon', 'submits a form'].includes(name);
        if (isUnreadable) assert(['', 'sent'].includes(read), `${page} ${name}: ${read}`);
        else assert.match(refused, /Failed to fetch|not opened|xhr poll error|websocket error/, `${page} ${name}: ${read}`);
      }
    }
    const ana = new TestUser(service, 'id-of-ana', 'ana', 'ana@example.com');
    const { vaults } = (await ana.get('/api/vaults')).expectStatus(200).body;
    assert.deepEqual(vaults.map(({ name, seq }) => [name, seq]), [['Plans', 1]]);

    // The same page succeeds where its origin is allowed, so the refusals above concern the origin and not the cookie.
    const { next, ...attempts } = await otherSite.waitForReport('/allowed');
    assert.equal(JSON.parse(attempts['reads the user'].read).id, 'id-of-ana');
    for (const name of ['opens a handshake', 'opens a websocket', 'connects by polling', 'connects by websocket']) {
      assert.match(attempts[name].read, /^0\{"sid"|^connected as /, `${name}: ${JSON.stringify(attempts[name])}`);
    }
    const forged = (await new TestUser(permissiveService, ana.id, ana.name, ana.email).get('/api/vaults')).expectStatus(200).body.vaults;
    assert.deepEqual(forged.map(({ name }) => name), ['Forged by JSON']);
  }));
