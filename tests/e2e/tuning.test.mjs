// SIGHUP to the real binary, with official clients on every transport: what the file says holds at once, and nobody loses
// a connection over it; a wrong file changes nothing; what needs a restart is said so.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { Listener } from './listener.mjs';
import { PAPER } from './harness.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';

const PAGE = { origin: 'https://app.example' };

let service;
const listeners = [];
after(async () => {
  for (const listener of listeners) listener.close();
  await service?.dispose();
});

/** Tells the service to read its file again, and waits until it has said what came of it. */
async function hangUp(...says) {
  const before = service.output.length;
  service.signal('SIGHUP');
  for (const pattern of says) await service.saysAfter(before, pattern);
  return service.output.slice(before);
}

test('what the file says holds at the next SIGHUP, and every connection stays', { timeout: 60_000 }, async () => {
  service = await Service.start();
  const file = path.join(service.directory, 'config.toml');
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
  const [plans, notes] = [await newVault(ana), await newVault(ana)];
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const listener = new Listener(service.url, { auth: { token: ana.token() }, transports });
    listeners.push(listener);
    await listener.hears('connect');
    await listener.join(plans);
  }
  const fromPage = () => fetch(`${service.url}/api/me`, { headers: { ...PAGE, authorization: `Bearer ${ana.token()}` } });
  assert.equal((await fromPage()).status, 403);

  // Without a file.
  await hangUp(/SIGHUP: nothing is changed: there is no configuration file/);

  // Another limit for those who are there, and another origin.
  await writeFile(file, '[server]\nallowed_origins = ["https://app.example"]\n[limits]\njoins_per_socket = 1\nsockets = 3\n');
  const said = await hangUp(/SIGHUP: server\.allowed_origins: \[\] -> \["https:\/\/app\.example"\]/);
  assert.match(said, /SIGHUP: limits\.joins_per_socket: 1000 -> 1\n/);
  assert.match(said, /SIGHUP: limits\.sockets: 0 -> 3\n/);
  assert.equal((await fromPage()).status, 200);
  for (const listener of listeners) await listener.isRefused('vault:join', notes.id, 'LIMIT_EXCEEDED');
  const handshake = await ana.get('/socket.io/?EIO=4&transport=polling');
  handshake.refuses(429, 'LIMIT_EXCEEDED');

  // Once more, with nothing new in it.
  await hangUp(/SIGHUP: nothing is changed: config\.toml says what is in effect/);

  // A wrong file.
  await writeFile(file, '[limits]\nsockets = "many"\njoins_per_socket = 5\n');
  await hangUp(/SIGHUP: nothing is changed: limits\.sockets: "many" is not a whole number .*\(from config\.toml\)/);
  await writeFile(file, '[limits\n');
  await hangUp(/SIGHUP: nothing is changed: config\.toml, line 1: /);
  await rm(file);
  await hangUp(/SIGHUP: nothing is changed: cannot read config\.toml/);
  for (const listener of listeners) await listener.isRefused('vault:join', notes.id, 'LIMIT_EXCEEDED');
  assert.equal((await fromPage()).status, 200);

  // What needs a restart waits for one, and the rest does not wait with it.
  await writeFile(file, '[socketio]\nping_interval = "7s"\n[limits]\nsockets = 3\njoins_per_socket = 2\n');
  const waits = await hangUp(/SIGHUP: socketio\.ping_interval: "25s" -> "7s" needs a restart/);
  assert.match(waits, /SIGHUP: limits\.joins_per_socket: 1 -> 2\n/);
  assert.equal((await fromPage()).status, 403);
  for (const listener of listeners) await listener.join(notes);

  const { seq } = await ana.post(`/api/vaults/${plans.id}/sources`, PAPER);
  for (const listener of listeners) {
    await listener.reaches(plans, seq);
    assert.deepEqual(listener.log.filter(({ event }) => event === 'disconnect'), [], `${listener}`);
  }
});

async function newVault(person) {
  return { id: (await person.post('/api/vaults', { name: 'Plans' })).is(201).body.id };
}
