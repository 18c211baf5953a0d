// Restarts of the real service, a trimmed journal and a renewed epoch: the client lists again when it has to, and only then.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PAPER, testService, until } from './service.mjs';

const service = testService();
const isLive = ({ status }) => status === 'live';

test('a client resumes after a kill, and lists again after a trimmed journal and a renewed epoch', { timeout: 180_000 }, async () => {
  const server = await service.start();
  const ana = await service.newUser('Ana');
  const id = await service.newVault(ana);
  const proxy = await service.newProxy();
  // Cut in the middle of an upgrade, a client may notice that only when its heartbeat fails.
  const client = service.connect(ana, { url: proxy.url, socket: { transports: ['websocket'] } });
  const vault = client.vault(id);
  const joins = [];
  const create = (title) => ana.post(`/api/vaults/${id}/sources`, { ...PAPER, title });
  const titles = () => vault.getSnapshot().sources.map(({ title }) => title);
  await create('a');
  await until(vault, isLive);
  vault.subscribe(() => {});
  client.socket.on('vault:joined', ({ replayed, resync }) => joins.push(resync ? 'resync' : replayed));

  proxy.cut();
  await server.kill();
  await server.restart();
  await create('b');
  proxy.restore();
  await vault.waitForSeq(2);
  assert.deepEqual([titles(), joins], [['b', 'a'], [1]]);

  proxy.cut();
  for (const title of ['c', 'd', 'e']) await create(title);
  await server.stop();
  server.settings = { VAULTCAST__JOURNAL__RETAIN_EVENTS: '1' };
  await server.restart();
  // No event announces the end of the trim.
  while ((await ana.get(`/api/vaults/${id}/events?since=2`)).status === 200) await pause(20);
  const shown = titles();
  proxy.restore();
  await vault.waitForSeq(5);
  await until(vault, isLive);
  assert.deepEqual([shown, titles(), joins], [['b', 'a'], ['e', 'd', 'c', 'b', 'a'], [1, 'resync', 0]]);

  const { epoch } = vault.getSnapshot();
  await server.stop();
  const renewed = (await server.run('epoch', 'renew')).trim();
  await server.restart();
  const live = await until(vault, (snapshot) => isLive(snapshot) && snapshot.epoch !== epoch);
  assert.deepEqual([live.epoch, live.seq, titles().length, joins], [renewed, 5, 5, [1, 'resync', 0, 'resync', 0]]);
});
