// What those who read feel when others do not: from the writer's request to each reader's event, in milliseconds, for 700
// readers of one vault, in rounds in which 300 more of its sockets read, and rounds in which these stall until they are closed as
// slow. Node.js; the packages of tests/e2e (`npm --prefix tests/e2e ci`) and a release build:
//
//     VAULTCAST_BIN=target/release/vaultcast node benches/slow-readers.mjs [rounds]

import { setTimeout as pause } from 'node:timers/promises';
import { Flock } from '../tests/e2e/flock.mjs';
import { Gauges } from '../tests/e2e/gauges.mjs';
import { Listener } from '../tests/e2e/listener.mjs';
import { Person } from '../tests/e2e/person.mjs';
import { Service } from '../tests/e2e/service.mjs';

const READERS = 700;
const STALLED = 300;
/** Events of a round, and the milliseconds between them: a busy vault, not a full one. */
const EVENTS = 300;
const PACE = 100;

const rounds = Number(process.argv[2] ?? 5);
const { gauges, settings } = await Gauges.prepare();
const service = await Service.start('serve', { VAULTCAST__ACTORS__SESSION_OUTBOX: '64', RUST_LOG: 'warn', ...settings });
gauges.of(service);
const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
const { body: vault } = (await ana.post('/api/vaults', { name: 'Busy' })).is(201);
const writer = new Listener(service.url, { transports: ['websocket'], auth: { token: ana.token() } });
await writer.hears('connect');
const readers = new Flock(service.url, ana, [vault], READERS);
const others = new Flock(service.url, ana, [vault], STALLED);
await readers.isBack(1);

const source = { title: '\u{1F4C4}'.repeat(500), fileUrl: `https://files.example.com/${'y'.repeat(2000)}` };

/** The time from the request of each event to its arrival at each reader: the 99th percentile. */
async function round() {
  const asked = new Map();
  const took = [];
  readers.onEvent = (seq) => took.push(performance.now() - asked.get(seq));
  let seq = readers.birds[0].heard;
  for (let n = 0; n < EVENTS; n += 1) {
    asked.set((seq += 1), performance.now());
    await Promise.all([writer.socket.emitWithAck('source:created', { vaultId: vault.id, source }), pause(PACE)]);
  }
  await readers.until(() => (readers.birds.every(({ heard }) => heard === seq) ? true : undefined), () => 'not all have heard', 60_000);
  took.sort((one, other) => one - other);
  return took[Math.floor(0.99 * took.length)];
}

const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)];

const [reading, stalling] = [[], []];
await others.isBack(1);
await round(); // warms up
for (let n = 1; n <= rounds; n += 1) {
  reading.push(await round());
  const before = await gauges.read('slow_closings_total');
  for (const bird of others.birds) bird.stall();
  stalling.push(await round());
  const slow = (await gauges.read('slow_closings_total')) - before;
  const lives = others.birds.map((bird) => bird.lives);
  for (const bird of others.birds) bird.goOn();
  await others.until(() => (others.birds.every(({ heard, isIn }) => isIn && heard === readers.birds[0].heard) ? true : undefined), () => 'not all are back', 60_000);
  const back = others.birds.filter((bird, n) => bird.lives > lives[n]).length;
  console.log(`round ${n}: p99 ${reading.at(-1).toFixed(1)} ms while all read, ${stalling.at(-1).toFixed(1)} ms while ${STALLED} do not; ${slow} closed as slow, ${back} came back`);
}
console.log(`medians of ${rounds}: ${median(reading).toFixed(1)} ms and ${median(stalling).toFixed(1)} ms, ratio ${(median(stalling) / median(reading)).toFixed(2)}`);
console.log(`odd: ${readers.oddities.length + others.oddities.length}; memory ${(gauges.peak / 2 ** 20).toFixed(0)} MiB at most`);
writer.close();
readers.close();
others.close();
await service.dispose();
