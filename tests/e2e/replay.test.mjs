// What was missed is told again, however little room there is: no socket that reads is closed for it, and nobody is
// left behind. The relays of this service hold next to nothing, so that they fall behind all the time.

import assert from 'node:assert/strict';
import { PAPER, range, storiesOn } from './harness.mjs';
import { byHttp } from './doors.mjs';

const story = storiesOn({
  VAULTCAST__ACTORS__RELAY_MAILBOX: '8',
  VAULTCAST__ACTORS__SESSION_OUTBOX: '64',
});

/** Changes a vault so many times, by a few writers at once; the last change's seq. */
async function fill(owner, vault, many) {
  const writers = range(1, 8).map(async () => {
    let last = 0;
    for (const _ of range(1, many / 8)) last = (await byHttp(owner).create(vault, PAPER)).seq;
    return last;
  });
  return Math.max(...(await Promise.all(writers)));
}

/** What a socket heard of a vault has no gaps, and goes on from where each of its joins says. */
function isGapless(listener, vault) {
  let next;
  for (const { event, payload } of listener.log) {
    if ((payload?.vaultId ?? payload?.source?.vaultId) !== vault.id) continue;
    if (event === 'vault:joined') {
      next = payload.seq - (payload.replayed ?? 0) + 1;
    } else {
      assert.equal(payload.seq, next, `${listener}`);
      next += 1;
    }
  }
  return next - 1;
}

const neverCut = (listener) => assert.equal(listener.log.filter(({ event }) => event === 'disconnect').length, 0, `${listener}`);

story('who joins many vaults at once is told what was missed of each, and is not taken for slow', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const vaults = [];
  for (const _ of range(1, 30)) vaults.push(await vault(ana));
  for (const one of vaults) await fill(ana, one, 64);

  const listener = await socket(ana);
  for (const { id } of vaults) listener.tell('vault:join', { vaultId: id, since: 0 });
  for (const one of vaults) {
    await listener.reaches(one, 64);
    assert.deepEqual(listener.eventsOf(one).map(({ seq }) => seq), range(1, 64));
  }
  neverCut(listener);
});

story('a crowd whose relay falls behind again and again hears everything, once and in order', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const crowd = await Promise.all(range(1, 40).map(() => socket(ana)));
  for (const listener of crowd) await listener.join(shared);
  const last = await fill(ana, shared, 400);
  for (const listener of crowd) {
    await listener.reaches(shared, last);
    assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), range(1, last));
    neverCut(listener);
  }
});

story('who joins again from an earlier place while the relay falls behind is told from there, without a gap', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  await fill(ana, shared, 80);
  const crowd = await Promise.all(range(1, 10).map(() => socket(ana)));
  for (const listener of crowd) await listener.join(shared, { since: 0 });

  let on = true;
  const restless = crowd.map(async (listener) => {
    while (on) {
      const { ok } = await listener.ask('vault:join', { vaultId: shared.id, since: Math.floor(Math.random() * 80) });
      assert(ok);
      if (Math.random() < 0.2) await listener.does('vault:leave', shared.id);
      if (Math.random() < 0.5) listener.tell('vault:join', shared.id);
    }
    // Behind everything that is owed to this socket.
    await listener.does('vault:join', shared.id);
  });
  await fill(ana, shared, 400);
  on = false;
  await Promise.all(restless);
  const { seq: last } = await byHttp(ana).create(shared, PAPER);
  for (const listener of crowd) {
    await listener.reaches(shared, last);
    assert.equal(isGapless(listener, shared), last);
    neverCut(listener);
  }
});
