// Who cannot be recovered gets a connection like any other, and no error: a pid of nobody or of somebody else, a client that
// said goodbye, a window that is over, a past that is no longer kept. Nothing of the old rooms comes with it.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { byHttp } from './doors.mjs';
import { PAPER, range, story, storiesOn } from './harness.mjs';

const seqs = (listener, vault) => listener.eventsOf(vault).map(({ seq }) => seq);

const post = async (person, vault, many = 1) => {
  let last;
  for (const _ of range(1, many)) last = (await byHttp(person).create(vault, PAPER)).seq;
  return last;
};

/** It is somebody new. */
function isFresh(now, before) {
  assert.equal(now.recovered, false);
  assert.equal(typeof now.pid, 'string');
  assert.notEqual(now.id, before.id);
  assert.notEqual(now.pid, before.pid);
}

/** Nothing of the vault is heard, nor any error, until what is asked for now is here. */
async function hearsNothingOf(vault, listener, elsewhere) {
  const before = listener.names.length;
  await listener.join(elsewhere);
  assert.deepEqual(listener.names.slice(before), ['vault:joined'], `${listener}`);
  assert(!listener.names.includes('error'), `${listener}`);
}

story("another user's pid brings nothing of that user's", async ({ user, vault, proxy, knock }) => {
  const [ana, eve] = [user('ana'), user('eve')];
  // Both are members, so that it is not the membership that keeps the events away.
  const [shared, other] = [await vault(ana, { viewer: [eve] }), await vault(eve)];
  const network = await proxy();
  let session = ana.token();
  const listener = knock({ via: network, auth: (answer) => answer({ token: session }) });
  const before = await listener.hears('connect');
  await listener.join(shared);
  await listener.reaches(shared, await post(ana, shared));

  const now = await network.outage(listener, async () => {
    session = eve.token();
    await post(ana, shared, 2);
  });
  isFresh(now, before);
  await post(ana, shared);
  await hearsNothingOf(shared, listener, other);
  assert.deepEqual(seqs(listener, shared), [2]);

  // And who owns it is recovered all the same, for nobody has used it up.
  const owner = knock({ auth: { token: ana.token(), pid: before.pid, offset: listener.log.find(({ payload }) => payload?.seq === 2).said[1] } });
  assert.equal((await owner.hears('connect')).id, before.id);
  await owner.reaches(shared, 5);
  assert.deepEqual(seqs(owner, shared), [3, 4, 5]);
});

story('a pid of nobody and whatever comes for an offset are a new connection, and no error', async ({ user, vault, knock }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const nonsense = ['', 'nobody', 'x'.repeat(20_000), 'ä\u0000"\\', 7, -1, null, true, [], ['nobody'], {}, { pid: 'nobody' }];
  for (const said of nonsense.flatMap((one) => [{ pid: one }, { pid: 'nobody', offset: one }, { pid: one, offset: one }, { offset: one }])) {
    const listener = knock({ auth: { ...said, token: ana.token() } });
    isFresh(await listener.hears('connect'), { pid: said.pid });
    await listener.join(shared);
    assert.deepEqual(listener.names, ['vault:joined'], JSON.stringify(said));
    listener.close();
  }
});

story('a client that remembers a pid from another life of the service is somebody new', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const [shared, other] = [await vault(ana), await vault(ana)];
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  await listener.join(shared);
  const before = listener.self;

  // As after a database that was thrown away, or one of the future that was put back.
  const now = await network.outage(listener, async () => {
    await post(ana, shared, 2);
    listener.socket._pid = [...before.pid].reverse().join('');
  });
  isFresh(now, before);
  await hearsNothingOf(shared, listener, other);
});

story('with an offset that the service never gave everything since the last heartbeat is told again', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  for (const offset of [undefined, '', 'of another life', 7, null, { seq: 2 }]) {
    const listener = await socket(ana, { via: network });
    const before = listener.self;
    const { seq } = await listener.join(shared);
    await listener.reaches(shared, await post(ana, shared, 2));

    const now = await network.outage(listener, async () => {
      await post(ana, shared, 2);
      listener.socket._lastOffset = offset;
    });
    assert.deepEqual(now, { ...before, recovered: true }, JSON.stringify(offset));
    await listener.reaches(shared, await post(ana, shared));
    const since = listener.log.findLastIndex(({ event }) => event === 'connect');
    const told = listener.log.slice(since).filter(({ event }) => event === 'source:created').map(({ payload }) => payload.seq);
    assert.deepEqual(told, range(seq + 1, seq + 5), JSON.stringify(offset));
    listener.close();
  }
});

story('who said goodbye and comes again is somebody new', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const [shared, other] = [await vault(ana), await vault(ana)];
  const listener = await socket(ana);
  const before = listener.self;
  await listener.join(shared);
  await listener.reaches(shared, await post(ana, shared));

  listener.socket.disconnect();
  await listener.hears('disconnect');
  await post(ana, shared, 2);
  // It brings its pid and its offset all the same.
  assert.equal(listener.socket._pid, before.pid);
  listener.socket.connect();
  isFresh(await listener.hears('connect'), before);
  await post(ana, shared);
  await hearsNothingOf(shared, listener, other);
  assert.deepEqual(seqs(listener, shared), [1]);
});

const unrecoverable = storiesOn({ VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '0s' });

unrecoverable('without a window there is no pid, and handlers get exactly one argument', async ({ user, vault, proxy, socket }) => {
  const [ana, ben] = [user('ana'), user('ben')];
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  assert.equal(before.pid, undefined);
  const { epoch } = await listener.join(shared);
  const { source } = await byHttp(ana).create(shared, PAPER);
  await byHttp(ana).update(source, { title: 'Changed' });
  await byHttp(ana).remove(source);
  (await ana.post(`/api/vaults/${shared.id}/members`, { userId: ben.id, role: 'viewer' })).is(201);
  await listener.reaches(shared, 4);

  const now = await network.outage(listener, () => post(ana, shared));
  assert.deepEqual([now.pid, now.recovered], [undefined, false]);
  assert.notEqual(now.id, before.id);
  assert.equal((await listener.join(shared, { since: 4, epoch })).replayed, 1);
  await listener.reaches(shared, await post(ana, shared));
  assert.deepEqual(seqs(listener, shared), range(1, 6));
  const said = listener.log.filter(({ event }) => /^(vault|source|member):/.test(event)).map(({ said }) => said.length);
  assert.deepEqual(said, Array(8).fill(1));
});

/** From outside a window can only be waited for. It opens when the service knows that the client has gone: where that polls,
 * at the latest when the heartbeat fails. */
const WINDOW = 1_000;
const HEARTBEAT = { interval: 200, timeout: 800 };
const OVER = 1.2 * (WINDOW + HEARTBEAT.interval + HEARTBEAT.timeout);
const short = storiesOn({
  VAULTCAST__SOCKETIO__RECOVERY_WINDOW: `${WINDOW}ms`,
  VAULTCAST__SOCKETIO__PING_INTERVAL: `${HEARTBEAT.interval}ms`,
  VAULTCAST__SOCKETIO__PING_TIMEOUT: `${HEARTBEAT.timeout}ms`,
});

short('who comes back when the window is over is somebody new, and goes on with since', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  const { epoch } = await listener.join(shared);
  await listener.reaches(shared, await post(ana, shared));

  const now = await network.outage(listener, async () => {
    await post(ana, shared, 2);
    await pause(OVER);
  });
  isFresh(now, before);
  // The client still sends the offset of its earlier life, which means nothing in this one.
  assert.equal((await listener.join(shared, { since: 1, epoch })).replayed, 2);
  await listener.reaches(shared, 3);
  const again = await network.outage(listener, () => post(ana, shared));
  assert.deepEqual(again, { ...now, recovered: true });
  await listener.reaches(shared, 4);
  assert.deepEqual(seqs(listener, shared), range(1, 4));
});

short('a stop does not make the window longer', async ({ service, user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const listener = await socket(ana);
  const before = listener.self;
  await listener.join(shared);
  await service.stop();
  await listener.hears('disconnect');
  await pause(1.2 * WINDOW);
  await service.resume();
  isFresh(await listener.hears('connect'), before);
});

const KEPT = 5;
const forgetful = storiesOn({ VAULTCAST__JOURNAL__RETAIN_EVENTS: `${KEPT}`, VAULTCAST__SERVER__SHUTDOWN_GRACE: '3s' });

forgetful('where one vault of several has lost what was missed, the whole is a new connection', async ({ service, user, vault, proxy, socket }) => {
  const ana = user('ana');
  const [long, short] = [await vault(ana), await vault(ana)];
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  const { epoch } = await listener.join(long);
  await listener.join(short);
  for (const one of [long, short]) await listener.reaches(one, await post(ana, one));

  const trimmed = async () => {
    await post(ana, long, 2 * KEPT);
    await post(ana, short, 2);
    // A service trims when it starts; nothing announces that it has.
    await service.stop();
    await service.resume();
    while ((await ana.get(`/api/vaults/${long.id}/events?since=1`)).status === 200) await pause(20);
  };
  isFresh(await network.outage(listener, trimmed), before);
  for (const one of [long, short]) await post(ana, one);

  // It was told nothing of either, and goes on by itself.
  const joined = { long: await listener.join(long, { since: 1, epoch }), short: await listener.join(short, { since: 1, epoch }) };
  assert.deepEqual([joined.long.resync, joined.long.replayed], [true, undefined]);
  assert.deepEqual([joined.short.resync, joined.short.replayed], [undefined, 3]);
  for (const one of [long, short]) await post(ana, one);
  await listener.reaches(long, 3 + 2 * KEPT);
  await listener.reaches(short, 5);
  assert.deepEqual([seqs(listener, long), seqs(listener, short)], [[1, 3 + 2 * KEPT], range(1, 5)]);
  assert(!listener.names.includes('error'), `${listener}`);
});

forgetful('whose last event is still kept is recovered', async ({ service, user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const before = listener.self;
  await listener.join(shared);
  const last = await post(ana, shared, 2 * KEPT);
  await listener.reaches(shared, last);

  const trimmed = async () => {
    await post(ana, shared, KEPT - 1);
    await service.stop();
    await service.resume();
    while ((await ana.get(`/api/vaults/${shared.id}/events?since=${last - 2}`)).status === 200) await pause(20);
  };
  assert.deepEqual(await network.outage(listener, trimmed), { ...before, recovered: true });
  await listener.reaches(shared, last + KEPT - 1);
  assert.deepEqual(seqs(listener, shared), range(1, last + KEPT - 1));
});
