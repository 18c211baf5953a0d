// A stop of the service with two thousand sockets and a stream of mutations: once a graceful one, and once one that a second
// signal cuts short.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WebSocket } from 'ws';
import { RawSocketPool } from './raw-sockets.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';
import { assertCompleteStop } from './complete-stop.mjs';
import { CreateLoad } from './create-load.mjs';
import { readJournals } from './journals.mjs';

const SOCKETS = 2_000;
const VAULTS = 40;

/** More than a stop, and then the reconnects, take even on a busy machine. The rate makes a stop take some seconds, in which
 * requests are refused. */
const SETTINGS = {
  VAULTCAST__SERVER__DRAIN_RATE: String(SOCKETS / 4),
  VAULTCAST__SERVER__SHUTDOWN_GRACE: '1m',
  VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '15m',
  VAULTCAST__SOCKETIO__PING_TIMEOUT: '5m',
  VAULTCAST__SOCKETIO__CONNECT_TIMEOUT: '5m',
};

let service;
const open = [];
after(async () => {
  for (const resource of open) resource.close();
  await service?.dispose();
});

/** Sends requests from the moment at which the service drains until it closes its listener, and returns the answers. */
async function requestUntilClosed(user, vault) {
  const answers = { handshakes: [], mutations: [], upgrades: [] };
  const repeatUntil = async (send, isDone) => {
    for (;;) if (isDone(await send().catch(() => undefined))) return;
  };
  const collect = (kind, send) => range(1, 4).map(() => repeatUntil(async () => {
    const answer = await send();
    answers[kind].push(answer);
    return answer;
  }, (answer) => answer === undefined));

  await repeatUntil(() => user.get('/readyz'), (answer) => answer?.status !== 200);
  await Promise.all([
    ...collect('handshakes', () => user.get('/socket.io/?EIO=4&transport=polling')),
    ...collect('mutations', () => user.post(`/api/vaults/${vault.id}/sources`, PAPER)),
    ...collect('upgrades', () => tryUpgrade(user.service.url)),
  ]);
  return answers;
}

/** Resolves with the HTTP status of a WebSocket handshake. */
function tryUpgrade(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    socket.on('unexpected-response', (request, { statusCode }) => (request.destroy(), resolve(statusCode)));
    socket.on('open', () => (socket.terminate(), resolve(101)));
    socket.on('error', reject);
  });
}

/** Opens an Engine.IO session. `connect` sends a Socket.IO CONNECT and resolves with the packets that followed the handshake. */
async function openSession(user) {
  const socket = new WebSocket(`${user.service.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
  const packets = [];
  const opened = new Promise((resolve) => socket.on('message', (data) => resolve(packets.push(String(data)))));
  const closed = new Promise((resolve) => socket.on('close', resolve));
  await opened;
  return {
    async connect() {
      if (socket.readyState === WebSocket.OPEN) socket.send(`40${JSON.stringify({ token: user.token() })}`);
      await closed;
      return packets.slice(1);
    },
  };
}

test('two thousand sockets reconnect without a gap after a graceful shutdown and after one cut short by a second signal', { timeout: 900_000 }, async () => {
  service = await TestServer.start('serve', SETTINGS);
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
  const vaults = [];
  for (const number of range(1, VAULTS)) vaults.push({ id: (await ana.post('/api/vaults', { name: `Vault ${number}` })).expectStatus(201).body.id });
  const pool = new RawSocketPool(service.url, ana, vaults, SOCKETS / VAULTS);
  open.push(pool);
  await pool.waitForConnections(1);
  const load = new CreateLoad([ana], vaults, { concurrency: 4, interval: 20 });
  open.push(load);
  await load.waitForMore(100);

  // A graceful shutdown.
  const session = await openSession(ana);
  const requests = requestUntilClosed(ana, vaults[0]);
  const start = performance.now();
  const stopped = service.stop();
  while ((await ana.get('/readyz').catch(() => undefined))?.status === 200);
  const packets = await session.connect();
  await stopped;
  const duration = performance.now() - start;
  assertCompleteStop(service);
  assert.deepEqual(packets, [], 'a CONNECT during the drain must be answered by closing the transport only');
  const { handshakes, mutations, upgrades } = await requests;
  for (const answer of [...handshakes, ...mutations]) {
    assert.equal(answer.expectError(503, 'UNAVAILABLE').details, undefined);
    assert(Number(answer.headers.get('retry-after')) > 0);
  }
  assert.deepEqual([...new Set(upgrades)], [503]);
  assert(handshakes.length > 0 && mutations.length > 0, 'the service must accept requests while it drains');

  await service.restartUnderLoad();
  await pool.waitForConnections(2);
  // A socket whose recovery is refused because the database is overloaded joins again with `since`.
  assert(pool.recovered >= 0.9 * SOCKETS, `only ${pool.recovered} sockets were recovered`);
  await load.waitForMore(50);
  await load.stop();
  const journals = await readJournals(ana, vaults);
  load.assertMatchesJournals(journals);
  await pool.waitForJournals(journals);
  assert.deepEqual(pool.violations.slice(0, 5), []);
  console.log(`stopped in ${Math.round(duration)} ms; refused: ${handshakes.length} handshakes, ${upgrades.length} upgrades, ${mutations.length} mutations, ${load.refused.length} of the load`);

  // A stop that a second signal cuts short.
  const secondLoad = new CreateLoad([ana], vaults, { concurrency: 4, interval: 20 });
  open.push(secondLoad);
  await secondLoad.waitForMore(100);
  service.signal('SIGTERM');
  await service.waitForOutput(/draining/);
  service.signal('SIGTERM');
  await service.waitForExit();
  assert.match(service.output, /second signal/);

  await service.restartUnderLoad();
  await pool.waitForConnections(3);
  await secondLoad.waitForMore(50);
  await secondLoad.stop();
  const allJournals = await readJournals(ana, vaults);
  const newJournals = new Map(vaults.map((vault) => [vault, allJournals.get(vault).slice(journals.get(vault).length)]));
  secondLoad.assertMatchesJournals(newJournals);
  await pool.waitForJournals(allJournals);
  assert.deepEqual(pool.violations.slice(0, 5), []);
});
