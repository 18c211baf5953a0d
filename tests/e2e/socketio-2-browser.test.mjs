// The browser builds of Socket.IO 2 in a real Chromium, on a page of the service's own host, as behind a proxy that routes a part of the
// paths to it: the session is the cookie of the page.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { AUTH_LIBRARIES } from './auth-application.mjs';
import { launchBrowser } from './browser.mjs';
import { BrowserClient, OLD_BUILDS } from './browser-client.mjs';
import { EchoServer } from './echo-server.mjs';
import { PAPER, range } from './fixtures.mjs';
import { ALLOW_OLD_CLIENTS } from './old-client.mjs';
import { httpApi } from './source-api.mjs';
import { TestContext, TRANSPORTS } from './test-context.mjs';
import { TestServer } from './test-server.mjs';

const [, authjs] = AUTH_LIBRARIES;

let browser;
let service;
let echo;
before(async () => {
  [browser, service, echo] = await Promise.all([launchBrowser(), TestServer.start('serve', ALLOW_OLD_CLIENTS), EchoServer.start('--allow-eio3')]);
});
after(async () => {
  await browser?.close();
  await Promise.all([service?.dispose(), echo?.stop()]);
});

let contexts = 0;

/** Runs a test with each build over each transport. `open` opens a client in a window of its own. */
function testEachBuild(title, run) {
  for (const [release, build] of Object.entries(OLD_BUILDS)) {
    for (const transport of TRANSPORTS) {
      test(`${title} (${release}, ${transport.name})`, { timeout: 180_000 }, async () => {
        const opened = [];
        const open = async (url, options, session) => {
          const client = await BrowserClient.open(browser, build, url, { ...transport.options, ...options }, session);
          opened.push(client);
          return client;
        };
        const context = new TestContext(service, transport.options, `browser-${++contexts}`);
        try {
          await context.run(title, () => run({ ...context, open }));
        } finally {
          for (const client of opened) await client.close();
        }
      });
    }
  }
}

/** Returns the cookie of the user's session. */
async function cookieOf(user) {
  return { name: authjs.cookie, value: await authjs.encode(service.secret, { sub: user.id, name: user.name }, 3600) };
}

testEachBuild('with the cookie of its page a client joins, writes, is refused, and resumes after a cut', async ({ open, newUser, newVault, startProxy }) => {
  const [ana, ben, zoe] = [newUser('ana'), newUser('ben'), newUser('zoe')];
  const [vault, foreign] = [await newVault(ana, { contributor: [ben] }), await newVault(zoe)];
  const proxy = await startProxy();
  const client = await open(proxy.url, {}, await cookieOf(ben));
  await client.nextEvent('connect');
  await client.waitForUpgrade();
  const { seq, epoch, userId, role } = await client.join(vault);
  assert.deepEqual([userId, role], [ben.id, 'contributor']);

  const { seq: written } = await client.emitOk('source:created', { vaultId: vault.id, source: { ...PAPER, title: 'Ünïcode €😀' } });
  assert.equal((await client.nextEvent('source:created')).source.title, 'Ünïcode €😀');
  await client.waitForSeq(vault, (await httpApi(ana).create(vault, PAPER)).seq);
  await client.expectError('vault:join', foreign.id, 'ACCESS_DENIED');

  proxy.cut();
  assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
  for (const title of ['a', 'b', 'c']) await httpApi(ana).create(vault, { ...PAPER, title });
  await client.nextEvent('reconnect_attempt');
  proxy.restore();
  await client.nextEvent('reconnect');
  const joined = await client.join(vault, { since: written + 1, epoch });
  assert.deepEqual([joined.replayed, joined.resync], [3, undefined]);
  await client.waitForSeq(vault, written + 4);
  assert.deepEqual(client.eventsOf(vault).map((event) => event.seq), range(seq + 1, written + 4));
  assert(client.log.filter(({ event }) => event.includes(':')).every(({ args }) => args.length === 1), 'events have no offset');
});

testEachBuild(
  'without a cookie, the header of a token is sent by polling alone, and a token in the query is not read',
  async ({ open, newUser, transport }) => {
    const token = newUser('ana').token();
    const extraHeaders = { authorization: `Bearer ${token}` };
    const client = await open(service.url, { transportOptions: { polling: { extraHeaders }, websocket: { extraHeaders } }, query: { token } });
    if (transport.transports?.[0] !== 'websocket') return client.nextEvent('connect');
    const { message, code } = await client.nextRefusal();
    assert.deepEqual([message, code], ['UNAUTHORIZED', 'UNAUTHORIZED']);
  },
);

testEachBuild('binary data passes in both directions', async ({ open }) => {
  const client = await open(echo.url, {});
  await client.nextEvent('connect');
  await client.waitForUpgrade();
  const result = await client.evaluate(async (socket) => {
    const bytes = (data) => [...new Uint8Array(data)];
    const next = (name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));
    const binary = new Uint8Array([1, 2, 3, 255]).buffer;
    socket.on('question', (data, answer) => answer('received', data));
    const results = {};
    for (const [name, data] of Object.entries({ buffer: binary, blob: new Blob(['ab']), long: new Uint8Array(200_000).fill(7).buffer })) {
      const echoed = next('message-back');
      socket.emit('message', 'text ✓', data);
      const [text, back] = await echoed;
      results[name] = [text, bytes(back).slice(0, 4), back.byteLength];
    }
    const [, acknowledged] = await new Promise((resolve) => socket.emit('message-with-ack', 1, binary, (...args) => resolve(args)));
    const answered = next('answered');
    socket.emit('ask', binary);
    return { ...results, acknowledged: bytes(acknowledged), answered: bytes((await answered)[1]) };
  });
  assert.deepEqual(result, {
    buffer: ['text ✓', [1, 2, 3, 255], 4],
    blob: ['text ✓', [97, 98], 2],
    long: ['text ✓', [7, 7, 7, 7], 200_000],
    acknowledged: [1, 2, 3, 255],
    answered: [1, 2, 3, 255],
  });
});
