// Slow readers: a socket that reads more slowly than its vaults are written to is closed, and its descriptor and its queue are released.
// Other sockets are not affected, and a slow reader that reconnects misses no event.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DescriptorCounter } from './descriptor-counter.mjs';
import { RawSocketPool } from './raw-sockets.mjs';
import { MetricsProbe } from './metrics-probe.mjs';
import { range } from './test-context.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { CuttingProxy } from './cutting-proxy.mjs';
import { TestServer } from './test-server.mjs';

/** The number of events that the outbox of one socket holds. */
const OUTBOX = 64;

/** A source whose event has almost five kilobytes. About two hundred of them fill the kernel's buffers as well. */
const LONG_SOURCE = { title: '\u{1F4C4}'.repeat(500), fileUrl: `https://files.example.com/${'y'.repeat(2000)}`, fileKey: 'z'.repeat(500) };
const EVENT_BYTES = 5_000;

/**
 * The time after which the service closes a client that answers no ping, and the kernel gives up a connection that does not read. Both
 * must not happen before the socket is closed as slow, however long it takes to write enough.
 */
const PING_TIMEOUT = '15m';

const cleanups = [];
after(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

/** Starts a service with a small outbox, a vault, and a client that writes to it. */
async function startService(settings = {}) {
  const { probe, settings: probeSettings } = await MetricsProbe.prepare();
  const bounds = { VAULTCAST__ACTORS__SESSION_OUTBOX: String(OUTBOX), VAULTCAST__SOCKETIO__PING_TIMEOUT: PING_TIMEOUT };
  const service = await TestServer.start('serve', { ...bounds, ...probeSettings, ...settings });
  cleanups.push(() => service.dispose());
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
  const shared = { id: (await ana.post('/api/vaults', { name: 'Busy' })).expectStatus(201).body.id };
  const writer = new TestClient(service.url, { transports: ['websocket'], auth: { token: ana.token() } });
  cleanups.push(() => writer.close());
  await writer.nextEvent('connect');
  const write = async () => {
    // Without a timeout, because this process reads a thousand sockets at the same time.
    const answer = await writer.socket.emitWithAck('source:created', { vaultId: shared.id, source: LONG_SOURCE });
    assert.equal(answer.ok, true, JSON.stringify(answer));
    return answer.seq;
  };
  return { service, ana, shared, write, probe: probe.attach(service) };
}

/** Writes until `count` sockets have been closed as slow, and returns the last seq. */
async function writeUntilSlow({ write, probe }, count) {
  let running = true;
  let last = 0;
  const lanes = range(1, 8).map(async () => {
    while (running) {
      const seq = await write();
      last = Math.max(last, seq);
    }
  });
  try {
    await probe.waitForMetric('slow_closings_total', (closed) => closed >= count, 300_000);
  } finally {
    running = false;
    await Promise.all(lanes);
  }
  return last;
}

test('of a thousand sockets three hundred stall, and the others receive every event', { timeout: 600_000 }, async () => {
  const context = await startService();
  const { service, ana, shared, probe } = context;
  const pool = new RawSocketPool(service.url, ana, [shared], 1_000);
  cleanups.push(() => pool.close());
  await pool.waitForConnections(1);
  const [stalled, others] = [pool.sockets.slice(0, 300), pool.sockets.slice(300)];
  const descriptors = new DescriptorCounter(service, stalled.map(({ localPort }) => localPort));
  cleanups.push(() => descriptors.close());
  assert.equal(descriptors.count(), stalled.length);
  const memory = probe.memory;
  probe.resetPeakMemory();

  for (const socket of stalled) socket.stopReading();
  const last = await writeUntilSlow(context, stalled.length);
  assert.equal(await probe.read('slow_closings_total'), stalled.length);
  assert.equal(await probe.read('sockets_closed_total{reason="slow"}'), stalled.length);

  // The stalled sockets still do not read, so their TCP windows are closed. The service releases their descriptors nevertheless, long
  // before the kernel would give up.
  await descriptors.waitForNone();
  // Each stalled socket may cost a full outbox and the buffers of its transport.
  const limit = stalled.length * (OUTBOX * EVENT_BYTES + 256 * 1024);
  assert(probe.peakMemory - memory < limit, `${probe.peakMemory - memory} additional bytes, limit ${limit}`);

  const all = new Map([[shared, range(1, last)]]);
  const complete = () => (others.every(({ lastSeq }) => lastSeq === last) ? true : undefined);
  await pool.waitFor(complete, () => `${others.filter(({ lastSeq }) => lastSeq !== last).length} sockets have not received all events`, 120_000);
  assert(others.every(({ connectionCount }) => connectionCount === 1), 'no other socket may be disconnected');

  // A socket that reads again finds its connection closed and reconnects.
  for (const socket of stalled) socket.resumeReading();
  await pool.waitForJournals(all);
  assert(stalled.every(({ connectionCount }) => connectionCount > 1));
  assert.deepEqual(pool.violations, []);
});

/** Lets a client stop reading until it is closed as slow, and returns the outcome of its reconnect. */
async function reconnectAfterSlowClose(context, { direct, stopReading, resumeReading, ...options }) {
  const { service, ana, shared } = context;
  const proxy = await CuttingProxy.start(service);
  cleanups.push(() => proxy.close());
  const client = new TestClient(direct ? service.url : proxy.url, { ...options, auth: { token: ana.token() } });
  cleanups.push(() => client.close());
  // Unless it is recovered, the client joins after each connect with `since`.
  const lastSeq = () => client.eventsOf(shared).at(-1)?.seq ?? 0;
  client.socket.on('connect', () => client.socket.recovered || client.emit('vault:join', { vaultId: shared.id, since: lastSeq() }));
  const { id } = await client.nextEvent('connect');
  await client.nextEvent('vault:joined');
  await context.write();
  await client.waitForSeq(shared, 1);

  stopReading(client, proxy);
  const closed = await context.probe.read('slow_closings_total');
  const last = await writeUntilSlow(context, closed + 1);
  resumeReading(client, proxy);
  assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
  const now = await client.nextEvent('connect');
  await client.waitForSeq(shared, last);
  assert.deepEqual(client.eventsOf(shared).map(({ seq }) => seq), range(1, last));
  return { before: id, now, resync: client.log.some(({ event, payload }) => event === 'vault:joined' && payload.resync) };
}

/** The client stops reading from its WebSocket. */
const byWebSocket = {
  direct: true,
  transports: ['websocket'],
  stopReading: ({ socket }) => socket.io.engine.transport.ws._socket.pause(),
  resumeReading: ({ socket }) => socket.io.engine.transport.ws._socket.resume(),
};

/** The next poll of the client is held by the proxy. */
const byPolling = {
  transports: ['polling'],
  stopReading: (_, proxy) => proxy.holdConnections(),
  resumeReading: (_, proxy) => proxy.restore(),
};

for (const [name, method] of Object.entries({ websocket: byWebSocket, polling: byPolling })) {
  test(`a client closed as slow is recovered after its reconnect (${name})`, { timeout: 180_000 }, async () => {
    const { before, now } = await reconnectAfterSlowClose(await startService(), method);
    assert.deepEqual([now.id, now.recovered], [before, true]);
  });

  test(`a client closed as slow resumes with since when recovery is disabled (${name})`, { timeout: 180_000 }, async () => {
    const { before, now, resync } = await reconnectAfterSlowClose(await startService({ VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '0s' }), method);
    assert.notEqual(now.id, before);
    assert.deepEqual([now.recovered, resync], [false, false]);
  });
}
