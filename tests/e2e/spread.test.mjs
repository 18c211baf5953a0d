// Five thousand sockets and a stream of mutations when the service is told to stop, with time for whoever spreads clients to
// notice, and a rate at which sockets are closed: they do not all come back at the same moment, and nothing is lost.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Flock } from './flock.mjs';
import { Listener } from './listener.mjs';
import { range } from './harness.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';
import { journalsOf, Writers } from './writers.mjs';

const VAULTS = 94;
/** Plain ones in each vault, and official ones in all. */
const BIRDS = 50;
const LISTENERS = 300;
const SOCKETS = VAULTS * BIRDS + LISTENERS;

const RATE = 1_000;
const DELAY = 4_000;
const GRACE = 40_000;

/** How long five thousand may take to come, on a slow machine that does something else as well. */
const PATIENCE = 150_000;

const TRANSPORTS = [['websocket'], ['polling'], ['polling', 'websocket']];

let service;
const open = [];
after(async () => {
  for (const one of open) one.close();
  await service?.dispose();
});

test('five thousand sockets are let go at a rate, and come back with nothing lost', { timeout: 500_000 }, async () => {
  service = await Service.start('serve', {
    VAULTCAST__SERVER__DRAIN_RATE: String(RATE),
    VAULTCAST__SERVER__DRAIN_DELAY: `${DELAY}ms`,
    VAULTCAST__SERVER__SHUTDOWN_GRACE: `${GRACE}ms`,
  });
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com').patiently();
  const vaults = [];
  for (const number of range(1, VAULTS)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).is(201).body.id });
  const flock = new Flock(service.url, ana, [], BIRDS);
  open.push(flock);
  // The kernel holds no five thousand connections that nobody has accepted.
  for (let first = 0; first < VAULTS; first += 10) {
    flock.grow(vaults.slice(first, first + 10), BIRDS);
    await flock.isBack(1, PATIENCE);
  }
  const listeners = [];
  for (const number of range(1, LISTENERS)) {
    const options = { auth: { token: ana.token() }, transports: TRANSPORTS[number % 3], timeout: 60_000 };
    const listener = new Listener(service.url, { ...options, reconnectionDelay: 100, reconnectionDelayMax: 1_000 });
    open.push(listener);
    listeners.push(listener);
    listener.socket.on('disconnect', () => flock.lost());
  }
  await Promise.all(listeners.map(async (listener, index) => {
    await connected(listener, 1);
    await listener.join(vaults[index % VAULTS]);
  }));
  const writers = new Writers([ana, listeners[0], listeners[1], listeners[2]], vaults, { lanes: 4, pace: 50 });
  open.push(writers);
  await writers.more(50);

  // /readyz fails first, and everything else goes on.
  const from = performance.now();
  service.signal('SIGTERM');
  while ((await ana.get('/readyz')).status === 200);
  (await ana.get('/readyz')).refuses(503, 'UNAVAILABLE');
  await writers.more(5);
  assert.equal(writers.refused.length, 0);
  assert.deepEqual(flock.losses, []);
  const newcomer = new Listener(service.url, { auth: { token: ana.token() } });
  open.push(newcomer);
  await newcomer.hears('connect');
  assert(performance.now() - from < DELAY, 'all of this was to happen before the delay was over');

  const { code } = await service.ended(GRACE + 5_000);
  const took = performance.now() - from;
  assert.equal(code, 0, service.output);
  assert(took < GRACE, `it took ${took} ms; it said:\n${service.output.split('\n').slice(-20).join('\n')}`);
  assert(!/is too slow|grace is over|could not be kept/.test(service.output), service.output);

  // Everybody was let go, and not at once.
  await flock.until(() => (flock.losses.length >= SOCKETS ? true : undefined), () => `${flock.losses.length} of ${SOCKETS} were let go`);
  assert.equal(flock.losses.length, SOCKETS);
  const [first, last] = [Math.min(...flock.losses), Math.max(...flock.losses)];
  assert(first - from >= DELAY, `the first was let go after ${first - from} ms`);
  const inTenths = new Map();
  for (const loss of flock.losses) {
    const tenth = Math.floor((loss - first) / 100);
    inTenths.set(tenth, (inTenths.get(tenth) ?? 0) + 1);
  }
  const most = Math.max(...inTenths.values());
  assert(most <= SOCKETS / 2, `${most} were let go within a tenth of a second`);
  assert(last - first >= (SOCKETS / RATE) * 1_000 * 0.5, `they were let go within ${last - first} ms`);

  // Another process takes over, and all go on where they were.
  await service.resume();
  await flock.isBack(2, PATIENCE);
  // Whom a database that is overrun cannot tell in time begins anew, with `since`.
  assert(flock.recovered >= VAULTS * BIRDS * 0.9, `${flock.recovered} were recovered`);
  await Promise.all(listeners.map((listener) => connected(listener, 2)));
  let anew = 0;
  for (const [index, listener] of listeners.entries()) {
    if (listener.self.recovered) continue;
    anew += 1;
    const vault = vaults[index % VAULTS];
    const { payload } = listener.log.find(({ event }) => event === 'vault:joined');
    await listener.join(vault, { since: listener.eventsOf(vault).at(-1)?.seq ?? payload.seq });
  }
  assert(anew <= listeners.length * 0.1, `${anew} of the official clients began anew`);
  await writers.more(50);
  await writers.stop();
  const journals = await journalsOf(ana, vaults);
  writers.agreeWith(journals);
  await flock.hasHeard(journals);
  assert.deepEqual(flock.oddities.slice(0, 5), []);
  for (const [index, listener] of listeners.entries()) await heardAll(listener, vaults[index % VAULTS], journals);
  console.log(`${SOCKETS} let go within ${Math.round(last - first)} ms, at most ${most} in a tenth of a second; ended after ${Math.round(took)} ms; ${writers.acknowledged.length} acknowledged, ${writers.refused.length} refused, ${writers.unknown.length} unknown`);
});

/** Waits until it has been connected so many times. */
function connected(listener, lives) {
  const look = () => (listener.log.filter(({ event }) => event === 'connect').length >= lives ? true : undefined);
  return listener.until(look, () => `not connected ${lives} times; ${listener}`, PATIENCE);
}

/** It heard every event of its vault's journal since it joined, once and in order. */
async function heardAll(listener, vault, journals) {
  const { payload } = listener.log.find(({ event }) => event === 'vault:joined');
  const until = journals.get(vault).length;
  if (until > payload.seq) await listener.reaches(vault, until);
  assert.deepEqual(listener.eventsOf(vault).map(({ seq }) => seq), range(payload.seq + 1, until), `${listener}`);
}
