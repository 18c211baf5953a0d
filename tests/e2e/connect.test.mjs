// Who a socket is: where the session is looked for, in which order, and how a connection ends.

import assert from 'node:assert/strict';
import { story } from './harness.mjs';

const COOKIES = [
  '__Secure-authjs.session-token',
  'authjs.session-token',
  '__Secure-next-auth.session-token',
  'next-auth.session-token',
];

/** The end of a transport, as the client names it: closed in order, or gone under a request of its own. */
const TRANSPORT_ENDED = /^transport (close|error)$/;

const bearer = (token) => ({ authorization: `Bearer ${token}` });
const cookies = (...pairs) => ({ cookie: pairs.map(([name, value]) => `${name}=${value}`).join('; ') });

/** The cookie as NextAuth splits one that is too long for a browser. */
function chunks(name, token, size) {
  const parts = token.match(new RegExp(`.{1,${size}}`, 'g'));
  return cookies(...parts.map((part, index) => [`${name}.${index}`, part]));
}

story('a session is found in the auth payload, in the Authorization header and in each cookie', async ({ user, vault, knock }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const token = ana.token();
  const ways = [
    { auth: { token } },
    { extraHeaders: bearer(token) },
    ...COOKIES.map((name) => ({ extraHeaders: cookies(['theme', 'dark'], [name, token], ['locale', 'en']) })),
    ...COOKIES.map((name) => ({ extraHeaders: chunks(name, token, 50) })),
  ];
  for (const way of ways) {
    const listener = knock(way);
    await listener.hears('connect');
    assert.equal((await listener.join(shared)).role, 'owner', JSON.stringify(way));
    listener.close();
  }
});

story('of several sessions the auth payload counts before the header, and the header before the cookie', async ({ user, vault, knock }) => {
  const [ana, ben, cem] = [user('ana'), user('ben'), user('cem')];
  const shared = await vault(ana, { contributor: [ben], viewer: [cem] });
  const role = async (options) => {
    const listener = knock(options);
    await listener.hears('connect');
    return (await listener.join(shared)).role;
  };
  const cookie = cookies(['authjs.session-token', cem.token()]);
  const header = { ...cookie, ...bearer(ben.token()) };

  assert.equal(await role({ auth: { token: ana.token() }, extraHeaders: header }), 'owner');
  assert.equal(await role({ extraHeaders: header }), 'contributor');
  assert.equal(await role({ auth: { token: '' }, extraHeaders: header }), 'contributor');
  assert.equal(await role({ extraHeaders: cookie }), 'viewer');
});

story('of several session cookies the first in the order of their names counts', async ({ user, vault, knock }) => {
  const people = COOKIES.map((_, index) => user(`user${index}`));
  const [owner, ...others] = people;
  const shared = await vault(owner, { contributor: [others[0]], viewer: others.slice(1) });

  for (const [first, role] of ['owner', 'contributor', 'viewer', 'viewer'].entries()) {
    const pairs = COOKIES.map((name, index) => [name, people[index].token()]).slice(first);
    const listener = knock({ extraHeaders: cookies(...pairs.reverse()) });
    await listener.hears('connect');
    assert.equal((await listener.join(shared)).role, role);
  }
});

story('without a good session there is no connection, and the reason is UNAUTHORIZED', async ({ user, knock }) => {
  const ana = user('ana');
  const [head, claims, signature] = ana.token().split('.');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const bad = {
    'no session': {},
    'an empty token': { auth: { token: '' } },
    'a token that is no string': { auth: { token: 7 } },
    'an expired session': { auth: { token: ana.token({ ttl: -20 }) } },
    'a session signed by another': { auth: { token: ana.token({ secret: 'of another house' }) } },
    'claims put under a good signature': { auth: { token: `${head}.${user('eve').token().split('.')[1]}.${signature}` } },
    'an unsigned session': { auth: { token: `${none}.${claims}.` } },
    'nonsense': { auth: { token: 'nonsense' } },
    'an expired header': { extraHeaders: bearer(ana.token({ ttl: -20 })) },
    'an expired cookie': { extraHeaders: cookies(['authjs.session-token', ana.token({ ttl: -20 })]) },
    'a bad token above a good header': { auth: { token: 'nonsense' }, extraHeaders: bearer(ana.token()) },
  };
  for (const [what, options] of Object.entries(bad)) {
    const listener = knock(options);
    assert.equal(await listener.hears('connect_error'), 'UNAUTHORIZED', what);
    assert.equal(listener.socket.connected, false);
  }
});

story('a clock that is a few seconds off does not shut anyone out', async ({ user, socket }) => {
  const ana = user('ana');
  const listener = await socket(ana, { auth: { token: ana.token({ ttl: -5 }) } });
  assert.equal(listener.socket.connected, true);
});

story('a client that leaves hears its own reason, and may come back', async ({ user, socket }) => {
  const listener = await socket(user('ana'));
  listener.socket.disconnect();
  assert.equal(await listener.hears('disconnect'), 'io client disconnect');
  listener.socket.connect();
  await listener.hears('connect');
});

story('at the end of its session a socket loses its transport, and comes back only with a new one', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana, { auth: { token: ana.token({ ttl: -12 }) } });
  await listener.join(shared);

  assert.match(await listener.hears('disconnect'), TRANSPORT_ENDED);
  assert.equal(await listener.hears('connect_error'), 'UNAUTHORIZED');
  assert.deepEqual(listener.names, ['vault:joined']);

  listener.socket.auth = { token: ana.token() };
  listener.socket.connect();
  await listener.hears('connect');
});

story('a malformed packet or a reserved event closes the transport, and nobody else is touched', async ({ user, socket }) => {
  const bystander = await socket(user('ben'));
  for (const packet of ['2{not json', '2["disconnect"]', '9']) {
    const listener = await socket(user('ana'), { reconnection: false });
    listener.socket.io.engine.write(packet);
    assert.match(await listener.hears('disconnect'), TRANSPORT_ENDED, packet);
  }
  await bystander.isRefused('vault:join', undefined, 'INVALID_VAULT_ID');
});

story('an event that nobody knows is refused, also one named error, and the connection goes on', async ({ user, socket }) => {
  const listener = await socket(user('ana'));
  for (const event of ['error', '7', '__proto__', 'vault:unknown']) {
    await listener.isRefused(event, {}, 'VALIDATION_FAILED');
  }
  assert.equal(listener.socket.connected, true);
});

story('a service that stops closes transports, and its clients come back by themselves', async ({ user, vault, socket, service }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);
  await listener.join(shared);

  await service.stop();
  assert.match(await listener.hears('disconnect'), TRANSPORT_ENDED);
  await service.resume();
  await listener.hears('connect');
  assert.equal((await listener.join(shared)).role, 'owner');
});

story('who was seen first at a connection can be invited by email from then on', async ({ user, vault, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana);
  const invite = () => ana.post(`/api/vaults/${shared.id}/members`, { email: ben.email, role: 'viewer' });

  (await invite()).refuses(404, 'NOT_FOUND');
  const listener = await socket(ben);
  const { body } = (await invite()).is(201);
  assert.deepEqual([body.userId, body.userName, body.email, body.role], [ben.id, ben.name, ben.email, 'viewer']);
  assert.equal((await listener.join(shared)).role, 'viewer');
});
