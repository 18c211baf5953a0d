// A client may be back before the service knows that it was gone: its old connection is half open, and everything said
// into it is lost. Of two connections with one pid the later counts.

import assert from 'node:assert/strict';
import { byHttp } from './doors.mjs';
import { PAPER, range, story, storiesOn } from './harness.mjs';

const seqs = (listener, vault) => listener.eventsOf(vault).map(({ seq }) => seq);

const post = async (person, vault, many) => {
  for (const _ of range(1, many)) await byHttp(person).create(vault, PAPER);
};

story('who comes back while the old connection is still open for the service is recovered, and the old one is closed', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const { id, pid } = listener.self;
  await listener.join(shared);
  await post(ana, shared, 2);
  await listener.reaches(shared, 2);

  for (const round of range(1, 3)) {
    // What the service says from here on it says to nobody.
    await network.heard();
    await network.strand();
    await post(ana, shared, 3);
    network.mend();
    await listener.hears('disconnect');
    assert.deepEqual(await listener.hears('connect'), { id, pid, recovered: true }, `round ${round}`);
    await network.abandoned();
    await post(ana, shared, 1);
    await listener.reaches(shared, 2 + 4 * round);
    assert.deepEqual(seqs(listener, shared), range(1, 2 + 4 * round));
  }
});

story('of two connections with one pid the later has everything, and the earlier loses its transport', async ({ user, vault, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const earlier = await socket(ana, { reconnection: false });
  const { id, pid } = earlier.self;
  await earlier.join(shared);
  await post(ana, shared, 3);
  await earlier.reaches(shared, 3);
  const [, offset] = earlier.log.find(({ payload }) => payload?.seq === 1 && payload.source).said;

  const later = await socket(ana, { auth: { token: ana.token(), pid, offset } });
  assert.deepEqual([later.self.id, later.self.pid], [id, pid]);
  assert.match(await earlier.hears('disconnect'), /^transport (close|error)$/);
  await post(ana, shared, 2);
  await later.reaches(shared, 5);
  assert.deepEqual(seqs(later, shared), range(2, 5));
  assert.deepEqual(seqs(earlier, shared), range(1, 3));

  // It is subscribed as one that joined: it hears no more after it has left.
  await later.does('vault:leave', shared.id);
  await post(ana, shared, 1);
  await later.join(shared);
  assert.deepEqual(seqs(later, shared), range(2, 5));
});

const lonely = storiesOn({ VAULTCAST__LIMITS__SOCKETS_PER_USER: '1' });

lonely('who may have one socket alone is not kept out by the half of it that is left', async ({ user, vault, proxy, socket }) => {
  const ana = user('ana');
  const shared = await vault(ana);
  const network = await proxy();
  const listener = await socket(ana, { via: network });
  const { id, pid } = listener.self;
  await listener.join(shared);

  for (const round of range(1, 2)) {
    await network.heard();
    await network.strand();
    network.mend();
    await listener.hears('disconnect');
    assert.deepEqual(await listener.hears('connect'), { id, pid, recovered: true });
    await post(ana, shared, 1);
    await listener.reaches(shared, round);
  }
});
