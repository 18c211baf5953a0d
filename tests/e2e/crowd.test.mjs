// A vault that is never still: readers come and go, members are removed and readers stall while others write.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { after, test } from 'node:test';
import { PAPER, range, story } from './harness.mjs';
import { byHttp, bySocket } from './doors.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';
import { Watched } from './waiting.mjs';

/** Mutations one after the other, until it is told to stop; gives back the last one's seq. */
function stream(door, vault) {
  let on = true;
  const done = (async () => {
    for (let last; ; ) {
      const { source } = await door.create(vault, PAPER);
      last = (await door.update(source, { title: 'Changed' })).seq;
      if (!on) return last;
    }
  })();
  return { stop: () => ((on = false), done), done };
}

story('readers who join at random while eight write through both doors all see one gapless order', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const writers = range(1, 8).map((number) => user(`writer${number}`));
  const shared = await vault(ana, { contributor: writers });
  const doors = await Promise.all(writers.map(async (writer, number) => (number % 2 ? byHttp(writer) : bySocket(await socket(writer)))));
  const streams = doors.map((door) => stream(door, shared));

  // One reader comes after the other, by whatever way; some know where they want to begin.
  const readers = [];
  let known = shared.seq;
  for (const number of range(1, 16)) {
    const listener = await socket(ana);
    const since = number % 3 ? undefined : Math.floor(Math.random() * (known + 1));
    const joined = await listener.join(shared, since === undefined ? undefined : { since });
    known = joined.seq;
    readers.push({ listener, first: (since ?? joined.seq) + 1 });
  }
  const last = Math.max(...(await Promise.all(streams.map(({ stop }) => stop()))));

  const told = new Map();
  for (const { listener, first } of readers) {
    await listener.reaches(shared, last);
    const events = listener.eventsOf(shared);
    assert.deepEqual(events.map(({ seq }) => seq), range(first, last));
    for (const event of events) {
      if (!told.has(event.seq)) told.set(event.seq, event);
      assert.deepEqual(event, told.get(event.seq));
    }
  }
});

story('who joins again while still being told what was missed is told all of that first', async (world) => {
  const ana = world.user('ana');
  const many = 300;
  const shared = await filled(world, ana, many);

  const listener = await world.socket(ana);
  listener.tell('vault:join', { vaultId: shared.id, since: 0 });
  listener.tell('vault:join', shared.id);
  assert.equal((await listener.hears('vault:joined')).replayed, many);
  const again = await listener.hears('vault:joined');
  assert.deepEqual([again.seq, again.replayed], [many, undefined]);
  const { seq } = await byHttp(ana).create(shared, PAPER);
  await listener.reaches(shared, seq);
  assert.deepEqual(listener.eventsOf(shared).map((event) => event.seq), range(1, many + 1));
  // The second confirmation stands behind what was owed, and before what is new.
  assert.deepEqual([listener.names.at(0), listener.names.at(-2)], ['vault:joined', 'vault:joined']);
});

story('who is removed in the middle of a stream hears nothing after his own member:removed', async ({ user, vault, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const leavers = range(1, 5).map((number) => user(`leaver${number}`));
  const shared = await vault(ana, { contributor: [ben], viewer: leavers });
  const room = await Promise.all(leavers.flatMap((person) => [socket(person), socket(person)]));
  for (const listener of room) await listener.join(shared);
  const streams = [byHttp(ana), bySocket(await socket(ben))].map((door) => stream(door, shared));

  for (const { id } of leavers) (await ana.delete(`/api/vaults/${shared.id}/members/${id}`)).is(204);
  const last = Math.max(...(await Promise.all(streams.map(({ stop }) => stop()))));
  assert(last > shared.seq + leavers.length);

  for (const [number, listener] of room.entries()) {
    const { id } = leavers[Math.floor(number / 2)];
    const { details } = await listener.hears('error', ({ code }) => code === 'ACCESS_DENIED');
    assert.deepEqual(details, { vaultId: shared.id });
    // What was sent to this socket after that is here, too, when this is answered.
    await listener.isRefused('vault:join', shared.id, 'ACCESS_DENIED');
    const events = listener.eventsOf(shared);
    assert.deepEqual(events.map(({ seq }) => seq), range(shared.seq + 1, events.at(-1).seq));
    assert.equal(events.at(-1).event, 'member:removed');
    assert.equal(events.at(-1).payload.member.userId, id);
  }
});

/** A vault of so many sources. */
async function filled({ vault }, owner, many) {
  const shared = await vault(owner);
  for (const _ of range(1, many / 10)) await Promise.all(range(1, 10).map(() => byHttp(owner).create(shared, PAPER)));
  return { ...shared, seq: many };
}

story('who was removed once and is a member again hears what came before and after', async (world) => {
  const [ana, ben] = [world.user('ana'), world.user('ben')];
  const shared = await filled(world, ana, 40);
  const members = `/api/vaults/${shared.id}/members`;
  const add = async () => (await ana.post(members, { userId: ben.id, role: 'viewer' })).is(201);
  await add();
  (await ana.delete(`${members}/${ben.id}`)).is(204);
  for (const _ of range(1, 40)) await byHttp(ana).create(shared, PAPER);
  await add();

  const listener = await world.socket(ben);
  const { seq, replayed } = await listener.join(shared, { since: 0 });
  assert.equal(replayed, seq);
  await listener.reaches(shared, seq);
  assert.deepEqual(listener.eventsOf(shared).map((event) => event.seq), range(1, seq));
  assert(!listener.names.includes('error'));
});

story('who is still told what was missed when the vault is deleted hears that, too', async (world) => {
  const ana = world.user('ana');
  const shared = await filled(world, ana, 400);
  const live = await world.socket(ana);
  await live.join(shared);
  const behind = await Promise.all(range(1, 6).map(() => world.socket(ana)));
  for (const listener of behind) listener.tell('vault:join', { vaultId: shared.id, since: 0 });
  for (const listener of behind) await listener.hears('vault:joined');
  const { seq } = (await ana.delete(`/api/vaults/${shared.id}`)).is(204);
  for (const listener of behind) {
    await listener.hears('vault:deleted');
    assert.deepEqual(listener.eventsOf(shared).map((event) => event.seq), range(1, seq));
  }
});

/** The service's open file descriptors, watched; but for those of its way to a database, which come and go. */
class Descriptors extends Watched {
  #timer = setInterval(() => this.changed(), 50);

  constructor({ pid, database }) {
    super();
    this.count = () => {
      const toDatabase = connectionsTo(database.port);
      return readdirSync(`/proc/${pid}/fd`).filter((fd) => !toDatabase.has(socketOf(`/proc/${pid}/fd/${fd}`))).length;
    };
  }

  end() {
    clearInterval(this.#timer);
  }
}

/** The sockets that are connected to a port of this machine, as the kernel numbers them. */
function connectionsTo(port) {
  if (!port) return new Set();
  const rows = readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1).map((row) => row.trim().split(/\s+/));
  return new Set(rows.filter(([, , remote]) => parseInt(remote.split(':')[1], 16) === port).map((row) => row[9]));
}

function socketOf(descriptor) {
  try {
    return readlinkSync(descriptor).match(/^socket:\[(\d+)\]$/)?.[1];
  } catch {
    return undefined; // closed meanwhile
  }
}

let service;
const ends = [];
after(() => {
  for (const end of ends) end();
  return service?.dispose();
});

test('a socket that stops reading is let go with its descriptor, and nobody else waits for it', { timeout: 60_000 }, async () => {
  service = await Service.start('serve', {
    VAULTCAST__ACTORS__SESSION_OUTBOX: '64',
    VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s',
  });
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
  const shared = { id: (await ana.post('/api/vaults', { name: 'Busy' })).is(201).body.id, seq: 0 };
  const listen = async () => {
    const listener = new Listener(service.url, { transports: ['websocket'], auth: { token: ana.token() }, reconnection: false });
    ends.push(() => listener.close());
    await listener.hears('connect');
    await listener.join(shared);
    return listener;
  };
  const reader = await listen();
  const descriptors = new Descriptors(service);
  ends.push(() => descriptors.end());
  const before = descriptors.count();
  const stalled = await Promise.all(range(1, 10).map(listen));
  const held = stalled.map(({ socket }) => socket.io.engine.transport.ws._socket);
  ends.push(() => held.forEach((socket) => socket.destroy()));
  assert.equal(descriptors.count(), before + 10);
  for (const socket of held) socket.pause();

  // Enough to fill what the kernel holds for each of them, and then their outboxes.
  const title = 'x'.repeat(500);
  const fileUrl = `https://files.example.com/${'y'.repeat(2000)}`;
  const lanes = range(1, 16).map(async () => {
    for (const _ of range(1, 50)) await byHttp(ana).create(shared, { title, fileUrl });
  });
  await Promise.all(lanes);
  await reader.reaches(shared, 800);
  assert.deepEqual(reader.eventsOf(shared).map(({ seq }) => seq), range(1, 800));

  await descriptors.until(() => (descriptors.count() <= before ? true : undefined), () => `${descriptors.count()} descriptors, ${before} before`, 20_000);
});
