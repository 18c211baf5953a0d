// Whoever loses the connection and comes back in time is who it was: the same id, in the same rooms, and what it missed
// comes once and in order, without a word of the client's own.

import assert from 'node:assert/strict';
import { byHttp } from './doors.mjs';
import { PAPER, range, story } from './harness.mjs';

/** More than a vault, or a socket, keeps in memory. */
const BEYOND_THE_RING = 1_100;

const seqs = (listener, vault) => listener.eventsOf(vault).map(({ seq }) => seq);

/** It is who it was before, and was told so. */
function isRecovered(now, before) {
  assert.deepEqual(now, { id: before.id, pid: before.pid, recovered: true });
}

/** Changes a vault so many times, by a few writers at once; the last change's seq. */
async function write(person, vault, many = 1) {
  const lanes = Math.min(many, 10);
  const written = range(1, lanes).map(async () => {
    let last;
    for (const _ of range(1, many / lanes)) last = (await byHttp(person).create(vault, PAPER)).seq;
    return last;
  });
  return Math.max(...(await Promise.all(written)));
}

story('after a cut a client is who it was, and hears what it missed once and in order', async ({ user, vault, proxy, socket }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const shared = await vault(ana, { viewer: [cem] });
  const network = await proxy();
  const listener = await socket(cem, { via: network });
  const before = listener.self;
  assert.equal(before.recovered, false);
  assert.equal(typeof before.pid, 'string');
  assert.notEqual(before.pid, before.id, 'the pid is a secret, and the id is none');
  const { seq } = await listener.join(shared);
  await listener.reaches(shared, await write(ana, shared, 2));

  isRecovered(await network.outage(listener, () => write(ana, shared, 3)), before);
  await listener.reaches(shared, seq + 5);
  const last = await write(ana, shared);
  await listener.reaches(shared, last);
  assert.deepEqual(seqs(listener, shared), range(seq + 1, last));
  assert.equal(last, seq + 6);

  // Each of them, missed or not, says its place behind its payload.
  const offsets = listener.log.filter(({ payload }) => payload?.seq !== undefined).map(({ said }) => said);
  assert.equal(offsets.length, 7);
  for (const said of offsets) {
    assert.equal(said.length, 2, JSON.stringify(said));
    assert.equal(typeof said[1], 'string');
  }
  assert.deepEqual(listener.names.filter((name) => name !== 'source:created'), ['vault:joined']);
});

story('what was missed of several vaults comes, of each in its order, and of no other', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const vaults = [];
  for (const _ of range(1, 5)) vaults.push(await vault(ana));
  const [left, never, ...joined] = vaults;
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  for (const one of [left, ...joined]) await listener.join(one);
  await listener.does('vault:leave', left.id);

  const everywhere = () => Promise.all(vaults.map((one) => write(ana, one, 10)));
  isRecovered(await network.outage(listener, everywhere), before);
  await everywhere();
  for (const one of joined) {
    await listener.reaches(one, 20);
    assert.deepEqual(seqs(listener, one), range(1, 20));
  }
  // Whatever else was owed to this socket is here when this is.
  await listener.join(never);
  assert.deepEqual([...seqs(listener, left), ...seqs(listener, never)], []);
});

story('the tenth cut is like the first', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(shared);

  // Sometimes it hears something in between, and sometimes there was nothing to miss.
  for (const cut of range(1, 10)) {
    isRecovered(await network.outage(listener, () => (cut % 3 ? write(ana, shared) : undefined)), before);
    if (cut % 2) await listener.reaches(shared, await write(ana, shared));
  }
  const last = await write(ana, shared);
  await listener.reaches(shared, last);
  assert.deepEqual(seqs(listener, shared), range(1, last));
});

story('who heard nothing yet but vault:joined hears everything after it', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  await write(ana, shared, 3);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  assert.equal((await listener.join(shared)).seq, 3);

  isRecovered(await network.outage(listener, () => write(ana, shared, 2)), before);
  await listener.reaches(shared, 5);
  assert.deepEqual(seqs(listener, shared), [4, 5]);
});

story('who is in no room yet is recovered, too', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;

  isRecovered(await network.outage(listener, () => write(ana, shared)), before);
  assert.equal((await listener.join(shared)).seq, 1);
  await listener.reaches(shared, await write(ana, shared));
  assert.deepEqual(seqs(listener, shared), [2]);
});

story('what the service said and the network lost is said again', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const [network, other] = [await proxy(), await socket(ana)];
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(shared);
  await other.join(shared);
  await listener.reaches(shared, await write(ana, shared, 2));

  // The service has sent these; that others have them says that it did.
  network.deafen();
  await other.reaches(shared, await write(ana, shared, 5));
  isRecovered(await network.outage(listener, () => write(ana, shared, 2)), before);
  await listener.reaches(shared, 9);
  assert.deepEqual(seqs(listener, shared), range(1, 9));
});

story('a room whose vault:joined was lost is a room all the same', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const [network, other] = [await proxy(), await socket(ana)];
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await other.join(shared);

  // What it asks for takes effect in the order asked: when the others hear of its source, it has joined. Of these words the
  // client sends the first at once and the others together, and from there on it hears no answer.
  listener.tell('vault:leave', shared.id);
  listener.tell('vault:join', shared.id);
  listener.tell('source:created', { vaultId: shared.id, source: PAPER });
  listener.socket.io.engine.once('flush', () => network.deafen());
  await other.reaches(shared, 1);
  await other.reaches(shared, await write(ana, shared));
  isRecovered(await network.outage(listener, () => write(ana, shared, 3)), before);
  await listener.reaches(shared, 5);
  assert.deepEqual(seqs(listener, shared), range(1, 5));
});

story('who is cut off while being told what was missed is told the rest', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  await write(ana, shared, 600);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  const cut = new Promise((resolve) => {
    listener.socket.on('source:created', ({ seq }) => {
      if (seq === 20) resolve(network.cut());
    });
  });

  listener.tell('vault:join', { vaultId: shared.id, since: 0 });
  await cut;
  isRecovered(await network.outage(listener, () => write(ana, shared, 10)), before);
  await listener.reaches(shared, 610);
  assert.deepEqual(seqs(listener, shared), range(1, 610));
});

story('who was away for longer than anything is kept in memory misses nothing', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(shared);
  await listener.reaches(shared, await write(ana, shared));

  isRecovered(await network.outage(listener, () => write(ana, shared, BEYOND_THE_RING)), before);
  await listener.reaches(shared, BEYOND_THE_RING + 1);
  assert.deepEqual(seqs(listener, shared), range(1, BEYOND_THE_RING + 1));
});

story('who heard much of one vault and nothing of another is recovered in both', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const [quiet, busy] = [await vault(ana), await vault(ana)];
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(quiet);
  await listener.join(busy);
  await listener.reaches(busy, await write(ana, busy, BEYOND_THE_RING));

  isRecovered(await network.outage(listener, () => Promise.all([write(ana, quiet, 2), write(ana, busy, 20)])), before);
  await listener.reaches(quiet, 2);
  await listener.reaches(busy, BEYOND_THE_RING + 20);
  assert.deepEqual(seqs(listener, quiet), [1, 2]);
  assert.deepEqual(seqs(listener, busy), range(1, BEYOND_THE_RING + 20));
});

story('who joins again after being recovered, as the contract does, is subscribed once', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  listener.socket.on('connect', () => listener.tell('vault:join', shared.id));
  await listener.join(shared);
  await listener.reaches(shared, await write(ana, shared));

  for (const _ of range(1, 2)) {
    const missed = () => write(ana, shared, 4);
    isRecovered(await network.outage(listener, missed), before);
    const { seq } = await listener.hears('vault:joined');
    assert.equal(listener.eventsOf(shared).at(-1).seq, seq, 'it stands behind what was missed');
    await listener.reaches(shared, await write(ana, shared, 2));
  }
  assert.deepEqual(seqs(listener, shared), range(1, 13));
});

story('who was removed meanwhile hears everything up to that, then that there is no access, and keeps the other rooms', async ({ user, vault, proxy, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const [shared, other] = [await vault(ana, { viewer: [ben] }), await vault(ana, { viewer: [ben] })];
  const network = await proxy();
  const listener = await socket(ben, { via: network });
  const before = listener.self;
  for (const one of [shared, other]) await listener.join(one);

  const removed = async () => {
    await write(ana, shared, 2);
    (await ana.delete(`/api/vaults/${shared.id}/members/${ben.id}`)).is(204);
    for (const one of [shared, other]) await write(ana, one, 2);
  };
  isRecovered(await network.outage(listener, removed), before);
  const { details } = await listener.hears('error', ({ code }) => code === 'ACCESS_DENIED');
  assert.deepEqual(details, { vaultId: shared.id });
  await write(ana, shared);
  await listener.reaches(other, await write(ana, other));
  await listener.isRefused('vault:join', shared.id, 'ACCESS_DENIED');

  const heard = listener.eventsOf(shared);
  assert.deepEqual(heard.map(({ event, seq }) => [event, seq]), [['source:created', 2], ['source:created', 3], ['member:removed', 4]]);
  const about = listener.log.filter(({ event, payload }) => event === 'error' || payload?.seq === 4);
  assert.deepEqual(about.slice(0, 2).map(({ event }) => event).sort(), ['error', 'member:removed']);
  const place = (name) => listener.log.findIndex(({ event }) => event === name);
  assert(place('member:removed') < place('error'), `${listener}`);
  assert.deepEqual(seqs(listener, other), [2, 3, 4]);

  // From then on that room is no room of its, the next time either.
  isRecovered(await network.outage(listener, () => Promise.all([write(ana, shared), write(ana, other)])), before);
  await listener.reaches(other, 5);
  assert.equal(listener.eventsOf(shared).length, 3);
  assert.equal(listener.names.filter((name) => name === 'error').length, 2);
});

story('a vault that was deleted meanwhile ends with that, and is no error', async ({ user, vault, proxy, socket }) => {
  const [ana, cem] = [user('ana'), user('cem')];
  const [shared, other] = [await vault(ana, { viewer: [cem] }), await vault(ana, { viewer: [cem] })];
  const network = await proxy();
  const listener = await socket(cem, { via: network });
  const before = listener.self;
  for (const one of [shared, other]) await listener.join(one);

  const deleted = async () => {
    await write(ana, shared, 2);
    (await ana.delete(`/api/vaults/${shared.id}`)).is(204);
  };
  isRecovered(await network.outage(listener, deleted), before);
  await listener.hears('vault:deleted', ({ vaultId }) => vaultId === shared.id);
  await listener.reaches(other, await write(ana, other));
  assert.deepEqual(listener.eventsOf(shared).map(({ event, seq }) => [event, seq]), [['source:created', 2], ['source:created', 3], ['vault:deleted', 4]]);
  assert(!listener.names.includes('error'), `${listener}`);

  isRecovered(await network.outage(listener, () => write(ana, other)), before);
  await listener.reaches(other, 3);
  assert.equal(listener.eventsOf(shared).length, 3);
});

story('who has another role meanwhile comes back with that', async ({ user, vault, proxy, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana, { contributor: [ben] });
  const network = await proxy();
  const listener = await socket(ben, { via: network });
  const before = listener.self;
  await listener.join(shared);
  const { seq } = await listener.does('source:created', { vaultId: shared.id, source: PAPER });
  await listener.reaches(shared, seq);

  const demote = async () => (await ana.patch(`/api/vaults/${shared.id}/members/${ben.id}`, { role: 'viewer' })).is(200);
  isRecovered(await network.outage(listener, demote), before);
  assert.equal((await listener.hears('member:updated')).member.role, 'viewer');
  await listener.isRefused('source:created', { vaultId: shared.id, source: PAPER }, 'INSUFFICIENT_PERMISSIONS');
  await listener.reaches(shared, await write(ana, shared));
  assert.deepEqual(seqs(listener, shared), [2, 3, 4]);
});
