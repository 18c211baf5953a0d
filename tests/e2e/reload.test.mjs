// Configuration reload with SIGHUP, with official clients on every transport: changed keys take effect at once without closing a
// connection, an invalid file changes nothing, and keys that need a restart are reported.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { TestClient } from './test-client.mjs';
import { PAPER } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

const PAGE = { origin: 'https://app.example' };

let service;
const clients = [];
after(async () => {
  for (const client of clients) client.close();
  await service?.dispose();
});

/** Sends SIGHUP, waits for these log lines, and returns the new output. */
async function sendSighup(...patterns) {
  const before = service.output.length;
  service.signal('SIGHUP');
  for (const pattern of patterns) await service.waitForOutputAfter(before, pattern);
  return service.output.slice(before);
}

test('a SIGHUP applies the configuration file without closing a connection', { timeout: 180_000 }, async () => {
  service = await TestServer.start();
  const file = path.join(service.directory, 'config.toml');
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  const [plans, notes] = [await newVault(ana), await newVault(ana)];
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const client = new TestClient(service.url, { auth: { token: ana.token() }, transports });
    clients.push(client);
    await client.nextEvent('connect');
    await client.join(plans);
  }
  const fromPage = () => fetch(`${service.url}/api/me`, { headers: { ...PAGE, authorization: `Bearer ${ana.token()}` } });
  assert.equal((await fromPage()).status, 403);

  // Without a file.
  await sendSighup(/SIGHUP: nothing is changed: there is no configuration file/);

  // Lower limits for the connected clients, and a new origin.
  await writeFile(file, '[server]\nallowed_origins = ["https://app.example"]\n[limits]\njoins_per_socket = 1\nsockets = 3\n');
  const output = await sendSighup(/SIGHUP: server\.allowed_origins: \[\] -> \["https:\/\/app\.example"\]/);
  assert.match(output, /SIGHUP: limits\.joins_per_socket: 1000 -> 1\n/);
  assert.match(output, /SIGHUP: limits\.sockets: 0 -> 3\n/);
  assert.equal((await fromPage()).status, 200);
  for (const client of clients) await client.expectError('vault:join', notes.id, 'LIMIT_EXCEEDED');
  const handshake = await ana.get('/socket.io/?EIO=4&transport=polling');
  handshake.expectError(429, 'LIMIT_EXCEEDED');

  // The same file again.
  await sendSighup(/SIGHUP: nothing is changed: config\.toml matches the effective configuration/);

  // Invalid files.
  await writeFile(file, '[limits]\nsockets = "many"\njoins_per_socket = 5\n');
  await sendSighup(/SIGHUP: nothing is changed: limits\.sockets: "many" is not a whole number .*\(from config\.toml\)/);
  await writeFile(file, '[limits\n');
  await sendSighup(/SIGHUP: nothing is changed: config\.toml, line 1: /);
  await rm(file);
  await sendSighup(/SIGHUP: nothing is changed: cannot read config\.toml/);
  for (const client of clients) await client.expectError('vault:join', notes.id, 'LIMIT_EXCEEDED');
  assert.equal((await fromPage()).status, 200);

  // A key that needs a restart is reported, and the other keys take effect.
  await writeFile(file, '[socketio]\nping_interval = "7s"\n[limits]\nsockets = 3\njoins_per_socket = 2\n');
  const restartOutput = await sendSighup(/SIGHUP: socketio\.ping_interval: "25s" -> "7s" needs a restart/);
  assert.match(restartOutput, /SIGHUP: limits\.joins_per_socket: 1 -> 2\n/);
  assert.equal((await fromPage()).status, 403);
  for (const client of clients) await client.join(notes);

  const { seq } = await ana.post(`/api/vaults/${plans.id}/sources`, PAPER);
  for (const client of clients) {
    await client.waitForSeq(plans, seq);
    assert.deepEqual(client.log.filter(({ event }) => event === 'disconnect'), [], `${client}`);
  }
});

async function newVault(user) {
  return { id: (await user.post('/api/vaults', { name: 'Plans' })).expectStatus(201).body.id };
}
