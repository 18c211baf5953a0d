// Whoever does not read as fast as its vaults write is let go, with its descriptor and all that waited for it; nobody else
// feels it, and who comes back has missed nothing.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Flock } from './flock.mjs';
import { Gauges } from './gauges.mjs';
import { range } from './harness.mjs';
import { Listener } from './listener.mjs';
import { Person } from './person.mjs';
import { Proxy } from './proxy.mjs';
import { Service } from './service.mjs';

/** Events that may wait for one socket. */
const OUTBOX = 64;

/** An event of almost five kilobytes: with some two hundred of them the kernel's buffers are full, too. */
const LONG = { title: '\u{1F4C4}'.repeat(500), fileUrl: `https://files.example.com/${'y'.repeat(2000)}`, fileKey: 'z'.repeat(500) };
const LENGTH = 5_000;

const ends = [];
after(async () => {
  for (const end of ends.reverse()) await end();
});

/** A service whose peers are closed as slow soon, and never for another reason while a test runs. */
async function start(settings = {}) {
  const { gauges, settings: looked } = await Gauges.prepare();
  const service = await Service.start('serve', { VAULTCAST__ACTORS__SESSION_OUTBOX: String(OUTBOX), ...looked, ...settings });
  ends.push(() => service.dispose());
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
  const shared = { id: (await ana.post('/api/vaults', { name: 'Busy' })).is(201).body.id };
  const writer = new Listener(service.url, { transports: ['websocket'], auth: { token: ana.token() } });
  ends.push(() => writer.close());
  await writer.hears('connect');
  const write = async () => {
    // However long it takes: this process has a thousand sockets to read.
    const answer = await writer.socket.emitWithAck('source:created', { vaultId: shared.id, source: LONG });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    return answer.seq;
  };
  return { service, ana, shared, write, gauges: gauges.of(service) };
}

/** Writes until so many have been closed as slow, and gives back the last event's number. */
async function writeUntilSlow({ write, gauges }, many) {
  let on = true;
  let last = 0;
  const lanes = range(1, 8).map(async () => {
    while (on) last = Math.max(last, await write());
  });
  try {
    await gauges.reads('slow_closings_total', (closed) => closed >= many, 100_000);
  } finally {
    on = false;
    await Promise.all(lanes);
  }
  return last;
}

test('of a thousand sockets three hundred stall, and the others hear everything as if nothing were', { timeout: 180_000 }, async () => {
  const world = await start();
  const { service, ana, shared, gauges } = world;
  const flock = new Flock(service.url, ana, [shared], 1_000);
  ends.push(() => flock.close());
  await flock.isBack(1);
  const [stalled, others] = [flock.birds.slice(0, 300), flock.birds.slice(300)];
  const descriptors = gauges.descriptors;
  const memory = gauges.memory();
  gauges.forgetPeak();

  for (const bird of stalled) bird.stall();
  const last = await writeUntilSlow(world, stalled.length);
  assert.equal(await gauges.read('slow_closings_total'), stalled.length);
  assert.equal(await gauges.read('sockets_closed_total{reason="slow"}'), stalled.length);

  // They still do not read, and their windows are closed: the service is rid of them all the same, long before the
  // kernel would give them up (socketio.ping_timeout). A few others come and go.
  await gauges.until('descriptors', () => gauges.descriptors, (open) => open <= descriptors - stalled.length + 10, 10_000);
  // Each of them may have cost what may wait for it, and what the transport holds.
  const cap = stalled.length * (OUTBOX * LENGTH + 256 * 1024);
  assert(gauges.peak - memory < cap, `${gauges.peak - memory} bytes more, of ${cap}`);

  const all = new Map([[shared, range(1, last)]]);
  const complete = () => (others.every(({ heard }) => heard === last) ? true : undefined);
  await flock.until(complete, () => `${others.filter(({ heard }) => heard !== last).length} lack something`, 30_000);
  assert(others.every(({ lives }) => lives === 1), 'nobody else was disconnected');

  // Who reads again finds its connection gone, and comes back.
  for (const bird of stalled) bird.goOn();
  await flock.hasHeard(all);
  assert(stalled.every(({ lives }) => lives > 1));
  assert.deepEqual(flock.oddities, []);
});

/** A client that stops reading, is closed as slow, and reads again; who it is then, and what it heard. */
async function returnOf(world, { direct, stall, goOn, ...options }) {
  const { service, ana, shared } = world;
  const proxy = await Proxy.inFrontOf(service);
  ends.push(() => proxy.close());
  const listener = new Listener(direct ? service.url : proxy.url, { ...options, auth: { token: ana.token() } });
  ends.push(() => listener.close());
  // As the contract's own client does: it joins after each connect, from where it is.
  const seen = () => listener.eventsOf(shared).at(-1)?.seq ?? 0;
  listener.socket.on('connect', () => listener.socket.recovered || listener.tell('vault:join', { vaultId: shared.id, since: seen() }));
  const { id } = await listener.hears('connect');
  await listener.hears('vault:joined');
  await world.write();
  await listener.reaches(shared, 1);

  stall(listener, proxy);
  const closed = await world.gauges.read('slow_closings_total');
  const last = await writeUntilSlow(world, closed + 1);
  goOn(listener, proxy);
  assert.match(await listener.hears('disconnect'), /^transport (close|error)$/);
  const now = await listener.hears('connect');
  await listener.reaches(shared, last);
  assert.deepEqual(listener.eventsOf(shared).map(({ seq }) => seq), range(1, last));
  return { before: id, now, resync: listener.log.some(({ event, payload }) => event === 'vault:joined' && payload.resync) };
}

/** It reads no more, and what the kernel holds for it is all that is between. */
const byWebSocket = {
  direct: true,
  transports: ['websocket'],
  stall: ({ socket }) => socket.io.engine.transport.ws._socket.pause(),
  goOn: ({ socket }) => socket.io.engine.transport.ws._socket.resume(),
};

/** Its next poll does not arrive. */
const byPolling = {
  transports: ['polling'],
  stall: (_, proxy) => proxy.hold(),
  goOn: (_, proxy) => proxy.mend(),
};

for (const [name, way] of Object.entries({ websocket: byWebSocket, polling: byPolling })) {
  test(`who was closed as slow is recovered when it comes back (${name})`, { timeout: 60_000 }, async () => {
    const { before, now } = await returnOf(await start(), way);
    assert.deepEqual([now.id, now.recovered], [before, true]);
  });

  test(`who was closed as slow and cannot be recovered goes on from where it was (${name})`, { timeout: 60_000 }, async () => {
    const { before, now, resync } = await returnOf(await start({ VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '0s' }), way);
    assert.notEqual(now.id, before);
    assert.deepEqual([now.recovered, resync], [false, false]);
  });
}
