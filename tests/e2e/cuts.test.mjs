// A bad network and vaults that are never still: two hundred cuts, of every kind and at any moment, while others write.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Follower } from './follower.mjs';
import { range } from './harness.mjs';
import { Person } from './person.mjs';
import { Proxy } from './proxy.mjs';
import { Service } from './service.mjs';
import { journalsOf, Writers } from './writers.mjs';

const CUTS = 200;

/** How long a client waits for a connection, in milliseconds. One whose WebSocket ends before the first packet waits that long. */
const PATIENCE = 1_000;

/** Who comes and goes, and by which way. */
const TRAVELLERS = [['websocket'], ['websocket'], ['polling'], ['polling'], ['polling', 'websocket']];

/** How a connection is lost. The client may be in the middle of anything: of coming back from the cut before, too. */
const LOSSES = [
  (network) => network.cut(),
  // For the service it stays open.
  (network) => network.strand(),
  // For a while the service speaks to nobody.
  async (network, writers) => {
    network.deafen();
    await writers.more(5);
    network.cut();
  },
];

let service;
const open = [];
after(async () => {
  for (const one of open.reverse()) await one.close();
  await service?.dispose();
});

test('two hundred cuts in one stream of mutations cost nobody an event, and nobody hears one twice', { timeout: 120_000 }, async () => {
  // A client whose upgrade is cut may believe in a connection that is none, until the heartbeat fails.
  service = await Service.start('serve', { VAULTCAST__SOCKETIO__PING_INTERVAL: '1s', VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s' });
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
  const vaults = [];
  for (const number of range(1, 3)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).is(201).body.id });

  const travellers = [];
  for (const transports of TRAVELLERS) {
    const network = await Proxy.inFrontOf(service);
    const follower = new Follower(network.url, vaults, { transports, timeout: PATIENCE, auth: { token: ana.token() } });
    open.push(network, follower);
    travellers.push({ network, follower });
    await follower.isBack(1);
  }

  const writers = new Writers([ana], vaults);
  open.push(writers);
  const travel = async ({ network, follower }, number) => {
    for (const cut of range(1, CUTS / TRAVELLERS.length)) {
      // Where it was not recovered it has to be in its rooms first: until then it is nobody who could miss anything.
      const isFresh = !follower.lives.at(-1).recovered;
      if (isFresh || cut % 2) await follower.isBack(1);
      await network.used();
      await writers.more((7 * cut + number) % 12);
      await LOSSES[(cut + number) % LOSSES.length](network, writers);
      network.mend();
    }
    const lives = follower.lives.length;
    if (!follower.socket.connected) await follower.isBack(lives + 1);
  };
  await Promise.all(travellers.map(travel));
  await writers.more(20);
  await writers.stop();

  const journals = await journalsOf(ana, vaults);
  assert.deepEqual([writers.refused, writers.unknown], [[], []]);
  writers.agreeWith(journals);
  for (const { follower } of travellers) {
    await follower.agreesWith(journals);
    follower.wasRecovered();
  }
  const lives = travellers.map(({ follower }) => follower.lives.length);
  console.log(`${writers.acknowledged.length} events, ${lives} connections`);
});
