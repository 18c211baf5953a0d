// The service stops and starts under a crowd of clients and a stream of mutations. After a stop in order they are who they
// were, here or at another process with the same database; after a kill they go on from what they know.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { onPostgres } from './database.mjs';
import { byHttp } from './doors.mjs';
import { Follower } from './follower.mjs';
import { PAPER, range, storiesOn } from './harness.mjs';
import { Person } from './person.mjs';
import { Proxy } from './proxy.mjs';
import { Service } from './service.mjs';
import { journalsOf, Writers } from './writers.mjs';

/** `server.shutdown_grace`, as it is by default. */
const GRACE = 10_000;

const WAYS = [['websocket'], ['polling'], ['polling', 'websocket']];

const open = [];
after(async () => {
  // The last that was opened first: a service ends when nobody is left who uses it.
  for (const one of open.reverse()) await (one.close ? one.close() : one.dispose());
});

const opened = (one) => (open.push(one), one);

const ana = (service) => new Person(service, 'ana', 'Ana', 'ana@example.com');

async function newVaults(person, many) {
  const made = await Promise.all(range(1, many).map((number) => person.post('/api/vaults', { name: `Vault ${number}` })));
  return made.map((answer) => ({ id: answer.is(201).body.id }));
}

/** So many clients, each of some of the vaults, and each in its rooms. */
async function crowd(many, url, person, vaults) {
  const followers = range(1, many).map((number) => {
    const followed = vaults.filter((_, vault) => (vault + number) % 2);
    return opened(new Follower(url, followed, { transports: WAYS[number % WAYS.length], auth: { token: person.token() } }));
  });
  for (const follower of followers) await follower.isBack(1);
  return followers;
}

/** Stops the service as an operator does, which must not take longer than it may. */
async function stopInTime(service, grace = GRACE) {
  const from = performance.now();
  await service.stop();
  const took = performance.now() - from;
  assert(took < grace, `it took ${took} ms`);
}

test('after a stop in order everybody is who he was, with nothing missed and nothing twice, also the second time', { timeout: 120_000 }, async () => {
  const service = opened(await Service.start());
  const person = ana(service);
  const vaults = await newVaults(person, 5);
  const followers = await crowd(50, service.url, person, vaults);
  const writers = opened(new Writers([person], vaults));

  for (const stops of [1, 2]) {
    await writers.more(100);
    await stopInTime(service);
    await service.resume();
    for (const follower of followers) await follower.isBack(1 + stops);
  }
  await writers.more(100);
  await writers.stop();

  const journals = await journalsOf(person, vaults);
  writers.agreeWith(journals);
  for (const follower of followers) {
    assert.equal(follower.lives.length, 3);
    follower.wasRecovered();
    await follower.agreesWith(journals);
  }
});

test('after a kill nobody is recovered, and everybody goes on from what he knows', { timeout: 120_000 }, async () => {
  const service = opened(await Service.start());
  const person = ana(service);
  const vaults = await newVaults(person, 5);
  const followers = await crowd(30, service.url, person, vaults);
  const writers = opened(new Writers([person], vaults));
  await writers.more(100);
  const before = followers.map(({ self }) => self);

  await service.kill();
  await service.resume();
  for (const follower of followers) await follower.isBack(2);
  await writers.more(100);
  await writers.stop();

  const journals = await journalsOf(person, vaults);
  writers.agreeWith(journals);
  for (const [index, follower] of followers.entries()) {
    const { id, pid, recovered } = follower.self;
    assert.deepEqual([recovered, id === before[index].id, pid === before[index].pid], [false, false, false]);
    await follower.agreesWith(journals);
  }
});

test('another process with the same database takes up whom the first has let go, and gives them back', { timeout: 120_000, skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set' }, async () => {
  const first = opened(await Service.start());
  const second = opened(await Service.start('serve', { DATABASE_URL: first.database.url }));
  const network = opened(await Proxy.inFrontOf(first));
  const person = ana(first);
  const vaults = await newVaults(person, 5);
  const followers = await crowd(30, network.url, person, vaults);

  // Some write at the one, some at the other, all the time.
  const writers = opened(new Writers([person, ana(second)], vaults));
  await writers.more(100);
  network.leadTo(second);
  await stopInTime(first);
  for (const follower of followers) await follower.isBack(2);

  await writers.more(100);
  await first.resume();
  network.leadTo(first);
  await stopInTime(second);
  for (const follower of followers) await follower.isBack(3);
  await second.resume();
  await writers.more(100);
  await writers.stop();

  // Each process knows of the other's last mutations when it next has to look.
  for (const vault of vaults) await byHttp(person).create(vault, { ...PAPER, title: `the last of ${vault.id}` });
  const journals = await journalsOf(person, vaults);
  for (const follower of followers) {
    assert.equal(follower.lives.length, 3);
    follower.wasRecovered();
    await follower.agreesWith(journals);
  }
  for (const events of journals.values()) events.pop();
  writers.agreeWith(journals);
});

const BRIEF = 3_000;
const story = storiesOn({ VAULTCAST__SERVER__SHUTDOWN_GRACE: `${BRIEF}ms` });

const seqs = (listener, vault) => listener.eventsOf(vault).map(({ seq }) => seq);

story('who was away when the service stopped is recovered when both are back', async ({ service, user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(shared);
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 1);

  const meanwhile = async () => {
    for (const _ of range(1, 2)) {
      await byHttp(ana).create(shared, PAPER);
      await service.stop();
      await service.resume();
    }
    await byHttp(ana).create(shared, PAPER);
  };
  assert.deepEqual(await network.outage(listener, meanwhile), { ...before, recovered: true });
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 5);
  assert.deepEqual(seqs(listener, shared), range(1, 5));
});

story('what waited for a client when the service stopped comes once', async ({ service, user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(shared);

  // A poll that is open brings the first of these; the next poll is held, and the others wait for it.
  await network.heard();
  network.hold();
  for (const _ of range(1, 3)) await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 1);
  const stopped = service.stop();
  while ((await fetch(`${service.url}/readyz`).catch(() => undefined))?.ok);
  network.mend();
  await listener.hears('disconnect');
  await stopped;

  await service.resume();
  assert.deepEqual(await listener.hears('connect'), { ...before, recovered: true });
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 4);
  assert.deepEqual(seqs(listener, shared), range(1, 4));
});

story('who has vanished between two polls does not hold up the stop', async ({ service, user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  await listener.join(shared);
  await network.heard();
  network.hold();
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 1);
  try {
    await stopInTime(service, BRIEF);
  } finally {
    await service.resume();
  }
});

story('who left a room, or the service, before it stopped has left it afterwards', async ({ service, user, vault, socket }) => {
  const ana = user('ana');
  const [shared, left] = [await vault(ana), await vault(ana)];
  const [listener, gone] = [await socket(ana), await socket(ana)];
  const before = { listener: listener.self, gone: gone.self };
  for (const one of [listener, gone]) {
    await one.join(shared);
    await one.join(left);
  }
  // It has said goodbye when its engine has closed.
  const { engine } = gone.socket.io;
  const closed = new Promise((resolve) => engine.once('close', resolve));
  gone.socket.disconnect();
  await closed;
  await listener.does('vault:leave', left.id);

  await service.stop();
  await service.resume();
  gone.socket.connect();
  assert.deepEqual(await listener.hears('connect'), { ...before.listener, recovered: true });
  const anew = await gone.hears('connect');
  assert.deepEqual([anew.recovered, anew.id === before.gone.id, anew.pid === before.gone.pid], [false, false, false]);
  for (const one of [left, shared]) await byHttp(ana).create(one, PAPER);
  await listener.reaches(shared, 1);
  await gone.join(left);
  await listener.join(left);
  assert.deepEqual([seqs(listener, shared), seqs(listener, left)], [[1], []]);
  assert.deepEqual([seqs(gone, shared), seqs(gone, left)], [[], []]);
});

story('after the epoch was renewed nobody is recovered', async ({ service, user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);
  const before = listener.self;
  const { epoch } = await listener.join(shared);

  await service.stop();
  await service.run('epoch', 'renew');
  await service.resume();
  await byHttp(ana).create(shared, PAPER);
  const { id, pid, recovered } = await listener.hears('connect');
  assert.deepEqual([recovered, id === before.id, pid === before.pid], [false, false, false]);
  assert.equal((await listener.join(shared, { since: 0, epoch })).resync, true);
  await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, 2);
  assert.deepEqual(seqs(listener, shared), [2]);
});
