// Authentication of a socket: where the session is taken from, in which order, and how a connection ends.

import assert from 'node:assert/strict';
import { testEachTransport } from './test-context.mjs';

const COOKIES = [
  '__Secure-authjs.session-token',
  'authjs.session-token',
  '__Secure-next-auth.session-token',
  'next-auth.session-token',
];

/** The reason of a closed transport in the client: an orderly close, or an error of the client's own request. */
const TRANSPORT_CLOSED = /^transport (close|error)$/;

const bearer = (token) => ({ authorization: `Bearer ${token}` });
const cookies = (...pairs) => ({ cookie: pairs.map(([name, value]) => `${name}=${value}`).join('; ') });

/** Splits a cookie into chunks as NextAuth does for a value that is too long for one cookie. */
function chunks(name, token, size) {
  const parts = token.match(new RegExp(`.{1,${size}}`, 'g'));
  return cookies(...parts.map((part, index) => [`${name}.${index}`, part]));
}

testEachTransport('a session is accepted in the auth payload, in the Authorization header and in each session cookie', async ({ newUser, newVault, openClient }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const token = ana.token();
  const optionSets = [
    { auth: { token } },
    { extraHeaders: bearer(token) },
    ...COOKIES.map((name) => ({ extraHeaders: cookies(['theme', 'dark'], [name, token], ['locale', 'en']) })),
    ...COOKIES.map((name) => ({ extraHeaders: chunks(name, token, 50) })),
  ];
  for (const options of optionSets) {
    const client = openClient(options);
    await client.nextEvent('connect');
    assert.equal((await client.join(shared)).role, 'owner', JSON.stringify(options));
    client.close();
  }
});

testEachTransport('the auth payload takes precedence over the header, and the header over the cookie', async ({ newUser, newVault, openClient }) => {
  const [ana, ben, cem] = [newUser('ana'), newUser('ben'), newUser('cem')];
  const shared = await newVault(ana, { contributor: [ben], viewer: [cem] });
  const role = async (options) => {
    const client = openClient(options);
    await client.nextEvent('connect');
    return (await client.join(shared)).role;
  };
  const cookie = cookies(['authjs.session-token', cem.token()]);
  const header = { ...cookie, ...bearer(ben.token()) };

  assert.equal(await role({ auth: { token: ana.token() }, extraHeaders: header }), 'owner');
  assert.equal(await role({ extraHeaders: header }), 'contributor');
  assert.equal(await role({ auth: { token: '' }, extraHeaders: header }), 'contributor');
  assert.equal(await role({ extraHeaders: cookie }), 'viewer');
});

testEachTransport('of several session cookies the first in the fixed order of their names is used', async ({ newUser, newVault, openClient }) => {
  const users = COOKIES.map((_, index) => newUser(`user${index}`));
  const [owner, ...others] = users;
  const shared = await newVault(owner, { contributor: [others[0]], viewer: others.slice(1) });

  for (const [first, role] of ['owner', 'contributor', 'viewer', 'viewer'].entries()) {
    const pairs = COOKIES.map((name, index) => [name, users[index].token()]).slice(first);
    const client = openClient({ extraHeaders: cookies(...pairs.reverse()) });
    await client.nextEvent('connect');
    assert.equal((await client.join(shared)).role, role);
  }
});

testEachTransport('a connection without a valid session is refused with UNAUTHORIZED', async ({ newUser, openClient }) => {
  const ana = newUser('ana');
  const [head, claims, signature] = ana.token().split('.');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const invalid = {
    'no session': {},
    'an empty token': { auth: { token: '' } },
    'a token that is not a string': { auth: { token: 7 } },
    'an expired session': { auth: { token: ana.token({ ttl: -20 }) } },
    'a session signed with another secret': { auth: { token: ana.token({ secret: 'another secret' }) } },
    'claims with the signature of other claims': { auth: { token: `${head}.${newUser('eve').token().split('.')[1]}.${signature}` } },
    'an unsigned session': { auth: { token: `${none}.${claims}.` } },
    'a malformed token': { auth: { token: 'nonsense' } },
    'an expired header': { extraHeaders: bearer(ana.token({ ttl: -20 })) },
    'an expired cookie': { extraHeaders: cookies(['authjs.session-token', ana.token({ ttl: -20 })]) },
    'a malformed token beside a valid header': { auth: { token: 'nonsense' }, extraHeaders: bearer(ana.token()) },
  };
  for (const [name, options] of Object.entries(invalid)) {
    const client = openClient(options);
    const refused = new Promise((resolve) => client.socket.once('connect_error', resolve));
    assert.equal(await client.nextEvent('connect_error'), 'UNAUTHORIZED', name);
    assert.deepEqual((await refused).data, { message: 'UNAUTHORIZED', code: 'UNAUTHORIZED' }, name);
    assert.equal(client.socket.connected, false);
  }
});

testEachTransport('a session that expired a few seconds ago is accepted within the clock tolerance', async ({ newUser, connectClient }) => {
  const ana = newUser('ana');
  const client = await connectClient(ana, { auth: { token: ana.token({ ttl: -5 }) } });
  assert.equal(client.socket.connected, true);
});

testEachTransport('a client that disconnects receives its own reason and can reconnect', async ({ newUser, connectClient }) => {
  const client = await connectClient(newUser('ana'));
  client.socket.disconnect();
  assert.equal(await client.nextEvent('disconnect'), 'io client disconnect');
  client.socket.connect();
  await client.nextEvent('connect');
});

testEachTransport('a malformed packet or a reserved event closes the transport of its sender only', async ({ newUser, connectClient }) => {
  const otherClient = await connectClient(newUser('ben'));
  for (const packet of ['2{not json', '2["disconnect"]', '9']) {
    const client = await connectClient(newUser('ana'), { reconnection: false });
    client.socket.io.engine.write(packet);
    assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED, packet);
  }
  await otherClient.expectError('vault:join', undefined, 'INVALID_VAULT_ID');
});

testEachTransport('an unknown event is refused, even an event named error, and the connection stays open', async ({ newUser, connectClient }) => {
  const client = await connectClient(newUser('ana'));
  for (const event of ['error', '7', '__proto__', 'vault:unknown']) {
    await client.expectError(event, {}, 'VALIDATION_FAILED');
  }
  assert.equal(client.socket.connected, true);
});

testEachTransport('a service that stops closes its transports, and its clients reconnect by themselves', async ({ newUser, newVault, connectClient, service }) => {
  const ana = newUser('ana');
  const shared = await newVault(ana);
  const client = await connectClient(ana);
  await client.join(shared);

  await client.waitForUpgrade();
  await service.stop();
  assert.match(await client.nextEvent('disconnect'), TRANSPORT_CLOSED);
  await service.restart();
  await client.nextEvent('connect');
  assert.equal((await client.join(shared)).role, 'owner');
});

testEachTransport('a user can be added by email after the first connection', async ({ newUser, newVault, connectClient }) => {
  const [ana, ben] = [newUser('ana'), newUser('ben')];
  const shared = await newVault(ana);
  const invite = () => ana.post(`/api/vaults/${shared.id}/members`, { email: ben.email, role: 'viewer' });

  (await invite()).expectError(404, 'NOT_FOUND');
  const client = await connectClient(ben);
  const { body } = (await invite()).expectStatus(201);
  assert.deepEqual([body.userId, body.userName, body.email, body.role], [ben.id, ben.name, ben.email, 'viewer']);
  assert.equal((await client.join(shared)).role, 'viewer');
});
