// Two thousand sockets and a stream of mutations when the service is told to stop. First it is let do that in order, then a
// second signal does not let it.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { Flock } from './flock.mjs';
import { PAPER, range } from './harness.mjs';
import { Person } from './person.mjs';
import { Service } from './service.mjs';
import { journalsOf, Writers } from './writers.mjs';

const SOCKETS = 2_000;
const VAULTS = 40;

/** `server.shutdown_grace`, as it is by default. */
const GRACE = 10_000;

let service;
const open = [];
after(async () => {
  for (const one of open) one.close();
  await service?.dispose();
});

/** Some at the door, who knock until nobody is there, from the moment on at which the service says that it drains. */
async function knock(person, vault) {
  const answers = { handshakes: [], mutations: [], upgrades: [] };
  const until = async (ask, gone) => {
    for (;;) if (gone(await ask().catch(() => undefined))) return;
  };
  const note = (kind, ask) => range(1, 4).map(() => until(async () => {
    const answer = await ask();
    answers[kind].push(answer);
    return answer;
  }, (answer) => answer === undefined));

  await until(() => person.get('/readyz'), (answer) => answer?.status !== 200);
  await Promise.all([
    ...note('handshakes', () => person.get('/socket.io/?EIO=4&transport=polling')),
    ...note('mutations', () => person.post(`/api/vaults/${vault.id}/sources`, PAPER)),
    ...note('upgrades', () => upgrade(person.service.url)),
  ]);
  return answers;
}

/** The status with which a WebSocket is refused. */
function upgrade(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    socket.on('unexpected-response', (request, { statusCode }) => (request.destroy(), resolve(statusCode)));
    socket.on('open', () => (socket.terminate(), resolve(101)));
    socket.on('error', reject);
  });
}

/** What a session hears that opened before, and asks for a connection when the service drains. */
async function late(person) {
  const socket = new WebSocket(`${person.service.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const heard = [];
  const opened = new Promise((resolve) => socket.on('message', (data) => resolve(heard.push(String(data)))));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  await opened;
  return {
    async connect() {
      if (socket.readyState === WebSocket.OPEN) socket.send(`40${JSON.stringify({ token: person.token() })}`);
      await closed;
      return heard.slice(1);
    },
  };
}

test('two thousand sockets are let go in order, and all are back and in step; and when that is cut short, too', { timeout: 180_000 }, async () => {
  service = await Service.start();
  const ana = new Person(service, 'ana', 'Ana', 'ana@example.com');
  const vaults = [];
  for (const number of range(1, VAULTS)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).is(201).body.id });
  const flock = new Flock(service.url, ana, vaults, SOCKETS / VAULTS);
  open.push(flock);
  await flock.isBack(1);
  const writers = new Writers([ana], vaults, { lanes: 4, pace: 20 });
  open.push(writers);
  await writers.more(100);

  // In order.
  const unconnected = await late(ana);
  const knocking = knock(ana, vaults[0]);
  const from = performance.now();
  const stopped = service.stop();
  while ((await ana.get('/readyz').catch(() => undefined))?.status === 200);
  const told = await unconnected.connect();
  await stopped;
  const took = performance.now() - from;
  assert(took < GRACE, `it took ${took} ms`);
  assert.deepEqual(told, [], 'a CONNECT is answered with the end of its transport, and with nothing else');
  const { handshakes, mutations, upgrades } = await knocking;
  for (const answer of [...handshakes, ...mutations]) {
    assert.equal(answer.refuses(503, 'UNAVAILABLE').details, undefined);
    assert(Number(answer.headers.get('retry-after')) > 0);
  }
  assert.deepEqual([...new Set(upgrades)], [503]);
  assert(handshakes.length > 0 && mutations.length > 0, 'the listener stays open while the service drains');

  await service.resume();
  await flock.isBack(2);
  assert.equal(flock.recovered, SOCKETS);
  await writers.more(50);
  await writers.stop();
  const journals = await journalsOf(ana, vaults);
  writers.agreeWith(journals);
  await flock.hasHeard(journals);
  assert.deepEqual(flock.oddities.slice(0, 5), []);
  console.log(`let go in ${Math.round(took)} ms; refused: ${handshakes.length} handshakes, ${upgrades.length} upgrades, ${mutations.length} mutations, ${writers.refused.length} of the stream`);

  // And with a second signal as soon as the first has been understood.
  const others = new Writers([ana], vaults, { lanes: 4, pace: 20 });
  open.push(others);
  await others.more(100);
  service.signal('SIGTERM');
  await service.says(/draining/);
  service.signal('SIGTERM');
  const second = performance.now();
  await service.ended();
  const ended = performance.now() - second;
  assert(ended < 5_000, `it ended ${ended} ms after the second signal`);
  assert.match(service.output, /second signal/);

  await service.resume();
  await flock.isBack(3);
  await others.more(50);
  await others.stop();
  const later = await journalsOf(ana, vaults);
  const since = new Map(vaults.map((vault) => [vault, later.get(vault).slice(journals.get(vault).length)]));
  others.agreeWith(since);
  await flock.hasHeard(later);
  assert.deepEqual(flock.oddities.slice(0, 5), []);
});
