// Measures the effect of slow readers on other readers of the same vault: the delay from a mutation request to its event at each of
// 700 readers. 300 more sockets read as well in one half of the rounds, and stall until they are closed as slow in the other half.
// Needs Node.js, the packages of tests/e2e (`npm --prefix tests/e2e ci`) and an optimized build (`release` is not):
//
//     VAULTCAST_BIN=target/dist/vaultcast node benches/slow-readers.mjs [rounds]

import { setTimeout as pause } from 'node:timers/promises';
import { RawSocketPool } from '../tests/e2e/raw-sockets.mjs';
import { MetricsProbe } from '../tests/e2e/metrics-probe.mjs';
import { TestClient } from '../tests/e2e/test-client.mjs';
import { TestUser } from '../tests/e2e/test-user.mjs';
import { TestServer } from '../tests/e2e/test-server.mjs';

const READERS = 700;
const STALLED = 300;
/** The events of a round and the interval between them in milliseconds: a busy vault below its capacity. */
const EVENTS = 300;
const INTERVAL = 100;

const rounds = Number(process.argv[2] ?? 5);
const { probe, settings } = await MetricsProbe.prepare();
const service = await TestServer.start('serve', { VAULTCAST__ACTORS__SESSION_OUTBOX: '64', RUST_LOG: 'warn', ...settings });
probe.attach(service);
const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
const { body: vault } = (await ana.post('/api/vaults', { name: 'Busy' })).expectStatus(201);
const writer = new TestClient(service.url, { transports: ['websocket'], auth: { token: ana.token() } });
await writer.nextEvent('connect');
const readers = new RawSocketPool(service.url, ana, [vault], READERS);
const stalling = new RawSocketPool(service.url, ana, [vault], STALLED);
await readers.waitForConnections(1);

const source = { title: '\u{1F4C4}'.repeat(500), fileUrl: `https://files.example.com/${'y'.repeat(2000)}` };

/** Runs one round and returns the 99th percentile of the delays in milliseconds. */
async function measureRound() {
  const requestTimes = new Map();
  const delays = [];
  readers.onEvent = (seq) => delays.push(performance.now() - requestTimes.get(seq));
  let seq = readers.sockets[0].lastSeq;
  for (let n = 0; n < EVENTS; n += 1) {
    requestTimes.set((seq += 1), performance.now());
    await Promise.all([writer.socket.emitWithAck('source:created', { vaultId: vault.id, source }), pause(INTERVAL)]);
  }
  await readers.waitFor(() => (readers.sockets.every(({ lastSeq }) => lastSeq === seq) ? true : undefined), () => 'not every reader received all events', 60_000);
  delays.sort((a, b) => a - b);
  return delays[Math.floor(0.99 * delays.length)];
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const [whileReading, whileStalled] = [[], []];
await stalling.waitForConnections(1);
await measureRound(); // warms up
for (let n = 1; n <= rounds; n += 1) {
  whileReading.push(await measureRound());
  const before = await probe.read('slow_closings_total');
  for (const socket of stalling.sockets) socket.stopReading();
  whileStalled.push(await measureRound());
  const slowClosings = (await probe.read('slow_closings_total')) - before;
  const connectionCounts = stalling.sockets.map((socket) => socket.connectionCount);
  for (const socket of stalling.sockets) socket.resumeReading();
  await stalling.waitFor(() => (stalling.sockets.every(({ lastSeq, isJoined }) => isJoined && lastSeq === readers.sockets[0].lastSeq) ? true : undefined), () => 'not every stalled socket reconnected', 60_000);
  const reconnected = stalling.sockets.filter((socket, n) => socket.connectionCount > connectionCounts[n]).length;
  console.log(`round ${n}: p99 ${whileReading.at(-1).toFixed(1)} ms while all read, ${whileStalled.at(-1).toFixed(1)} ms while ${STALLED} stall; ${slowClosings} closed as slow, ${reconnected} reconnected`);
}
console.log(`medians of ${rounds}: ${median(whileReading).toFixed(1)} ms and ${median(whileStalled).toFixed(1)} ms, ratio ${(median(whileStalled) / median(whileReading)).toFixed(2)}`);
console.log(`violations: ${readers.violations.length + stalling.violations.length}; peak memory ${(probe.peakMemory / 2 ** 20).toFixed(0)} MiB`);
writer.close();
readers.close();
stalling.close();
await service.dispose();
