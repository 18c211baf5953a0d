// Measures several nodes on one PostgreSQL: mutations of one vault and of 64 vaults through one, two and three nodes with 16 writers
// each, and how long an event needs to the sockets of another node, with hints and with none. The machine is shared by the nodes,
// PostgreSQL and this program, so compare latencies and errors rather than rates. Needs Node.js, the packages of tests/e2e
// (`npm --prefix tests/e2e ci`), a PostgreSQL server, and an optimized build (`release` is not):
//
//     TEST_POSTGRES_URL=postgres://… VAULTCAST_BIN=target/dist/vaultcast node benches/nodes.mjs [seconds]

import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { TestClient } from '../tests/e2e/test-client.mjs';
import { TestServer } from '../tests/e2e/test-server.mjs';
import { TestUser } from '../tests/e2e/test-user.mjs';

const WRITERS = 16;
const VAULTS = 64;
/** Deliveries that are timed, and the interval between their mutations in milliseconds. */
const DELIVERIES = 300;
const INTERVAL = 33;
const seconds = Number(process.argv[2] ?? 5);

const UNLIMITED = Object.fromEntries(
  ['MUTATIONS_PER_SECOND', 'READS_PER_SECOND', 'SOCKET_EVENTS_PER_SECOND'].map((limit) => [`VAULTCAST__LIMITS__${limit}`, '0']),
);
const agent = new http.Agent({ keepAlive: true });

/** Starts nodes on one new database, runs the measurement, and stops them. */
async function withNodes(count, settings, measure) {
  const nodes = [];
  try {
    while (nodes.length < count) {
      const shared = nodes[0] ? { DATABASE_URL: nodes[0].database.url } : {};
      nodes.push(await TestServer.start('serve', { RUST_LOG: 'warn', ...UNLIMITED, ...settings, ...shared }));
    }
    // Each node notices the others by their heartbeats.
    await pause(2_500);
    return await measure(nodes);
  } finally {
    for (const node of nodes.toReversed()) await node.dispose();
  }
}

const ana = (node) => new TestUser(node, 'ana', 'Ana', 'ana@example.com');

async function newVaults(node, count) {
  const vaults = [];
  while (vaults.length < count) vaults.push((await ana(node).post('/api/vaults', { name: 'Measured' })).expectStatus(201).body.id);
  return vaults;
}

/** Creates a source and returns the status. */
function create(node, token, vault) {
  const body = JSON.stringify({ title: 'Measured', fileUrl: 'https://files.example.com/measured.pdf' });
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(`${node.url}/api/vaults/${vault}/sources`, { method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const percentile = (sorted, part) => (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN).toFixed(1);

async function mutations(nodes, vaults) {
  const [latencies, errors] = [[], new Map()];
  const end = performance.now() + 1000 * seconds;
  const write = async (node, writer) => {
    const token = ana(node).token();
    for (let n = writer; performance.now() < end; n += WRITERS) {
      const from = performance.now();
      const status = await create(node, token, vaults[n % vaults.length]);
      if (status === 201) latencies.push(performance.now() - from);
      else errors.set(status, (errors.get(status) ?? 0) + 1);
    }
  };
  const writers = nodes.flatMap((node) => Array.from({ length: WRITERS }, (_, writer) => write(node, writer)));
  await Promise.all(writers);
  latencies.sort((a, b) => a - b);
  if (latencies.length === 0) throw new Error(`no mutation was accepted: ${[...errors.keys()]}`);
  const failed = [...errors].map(([status, count]) => `${count} × ${status}`).join(', ') || '0';
  return `${Math.round(latencies.length / seconds)}/s, p50 ${percentile(latencies, 0.5)} ms, p99 ${percentile(latencies, 0.99)} ms, errors ${failed}`;
}

/** Returns the delays of events from a socket of the node that commits them to one of another node. */
async function remoteDeliveries([here, there]) {
  const [vault] = await newVaults(here, 1);
  const arrivals = [new Map(), new Map()];
  const sockets = [];
  for (const [index, node] of [here, there].entries()) {
    const { socket } = new TestClient(node.url, { transports: ['websocket'], auth: { token: ana(node).token() } });
    socket.on('source:created', ({ seq }) => arrivals[index].set(seq, performance.now()));
    await new Promise((resolve) => {
      socket.on('vault:joined', resolve);
      socket.on('connect', () => socket.emit('vault:join', vault));
    });
    sockets.push(socket);
  }
  const token = ana(here).token();
  for (let n = 0; n < DELIVERIES; n += 1) await Promise.all([create(here, token, vault), pause(INTERVAL)]);
  await pause(2_000);
  for (const socket of sockets) socket.close();
  const delays = [...arrivals[0]].map(([seq, at]) => (arrivals[1].get(seq) ?? Infinity) - at).sort((a, b) => a - b);
  const missing = delays.filter((delay) => delay === Infinity).length;
  return `p50 ${percentile(delays, 0.5)} ms, p99 ${percentile(delays, 0.99)} ms, max ${delays.at(-1)?.toFixed(1)} ms, missing ${missing}`;
}

for (const count of [1, 2, 3]) {
  const nodes = `${count} node${count > 1 ? 's' : ''}`;
  console.log(`${nodes}, 1 vault: ${await withNodes(count, {}, async (nodes) => mutations(nodes, await newVaults(nodes[0], 1)))}`);
  console.log(`${nodes}, ${VAULTS} vaults: ${await withNodes(count, {}, async (nodes) => mutations(nodes, await newVaults(nodes[0], VAULTS)))}`);
}
console.log(`event at another node, with hints: ${await withNodes(2, {}, remoteDeliveries)}`);
console.log(`event at another node, sweep only: ${await withNodes(2, { VAULTCAST__CLUSTER__BUS: 'off' }, remoteDeliveries)}`);
agent.destroy();
