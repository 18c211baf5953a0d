// Three nodes behind nginx, as deploy/three-nodes.sh starts them: a rolling restart under load.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newDatabase, onPostgres } from './database.mjs';
import { readJournals } from './journals.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';
import { ResumingClient } from './resuming-client.mjs';
import { PAPER, range } from './test-context.mjs';
import { TestUser } from './test-user.mjs';

const SCRIPT = fileURLToPath(new URL('../../deploy/three-nodes.sh', import.meta.url));
const BINARY = process.env.VAULTCAST_BIN ?? fileURLToPath(new URL('../../target/debug/vaultcast', import.meta.url));
const SECRET = 'a secret of the tests that is long enough to sign with';
const CLIENTS = 32;
const WRITERS = 4;

/** Returns the first of seven free ports in a row: those of nginx, of the nodes, and of their admin listeners. */
async function freePorts() {
  for (;;) {
    const first = 20_000 + Math.floor(10_000 * Math.random());
    const servers = await Promise.allSettled(range(first, first + 6).map(listen));
    for (const { value } of servers) await new Promise((closed) => (value ? value.close(closed) : closed()));
    if (servers.every(({ status }) => status === 'fulfilled')) return first;
  }
}

function listen(port) {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(server));
    server.on('error', reject);
  });
}

/** The nodes and nginx, as one service. */
async function startThreeNodes() {
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-nodes-'));
  const database = newDatabase(directory);
  await database.create();
  const port = await freePorts();
  const { PATH, HOME } = process.env;
  const env = {
    PATH, HOME, RUST_LOG: 'info', VAULTCAST_BIN: BINARY, DATABASE_URL: database.url, AUTH_SECRET: SECRET,
    VAULTCAST__LIMITS__MUTATIONS_PER_SECOND: '0', VAULTCAST__LIMITS__READS_PER_SECOND: '0',
  };
  const script = new ManagedProcess(SCRIPT, [String(port)], { cwd: directory, env });
  const dispose = async () => {
    if (!script.exitStatus) await script.stop('SIGTERM', 3 * DEFAULT_TIMEOUT);
    await database.drop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await script.waitForOutput(/is ready; kill -USR1/);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}`, adminPorts: range(port + 4, port + 6), secret: SECRET, script, dispose };
}

/** Creates sources one after the other until it is stopped, each until it is acknowledged, and returns their titles. */
async function write(user, vault, writer, isStopped) {
  const acknowledged = [];
  for (let index = 0; !isStopped(); index++) {
    const title = `${writer}.${index}`;
    const headers = { 'idempotency-key': title };
    for (;;) {
      // A node that ends closes its connections. With the key, the request may be sent again.
      const answer = await user.post(`/api/vaults/${vault.id}/sources`, { ...PAPER, title }, headers).catch(() => undefined);
      if (answer?.status === 201) break;
      if (answer) assert([502, 503].includes(answer.status), `${answer.status} ${answer.text}`);
      await pause(20);
    }
    acknowledged.push(title);
  }
  return acknowledged;
}

async function socketsOf(port) {
  const { totals } = await (await fetch(`http://127.0.0.1:${port}/actors`)).json();
  return totals.sockets;
}

const options = { skip: onPostgres ? false : 'TEST_POSTGRES_URL is not set', timeout: 300_000 };

test('a rolling restart of three nodes loses nothing that was acknowledged, and each client receives each event once', options, async () => {
  const service = await startThreeNodes();
  const clients = [];
  try {
    const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
    const vault = (await ana.post('/api/vaults', { name: 'Shared' })).expectStatus(201).body;
    for (const index of range(1, CLIENTS)) {
      const transports = [['polling'], ['polling', 'websocket'], ['websocket'], ['websocket']][index % 4];
      clients.push(new ResumingClient(service.url, [vault], { auth: { token: ana.token() }, transports }));
    }
    for (const client of clients) await client.waitForConnections(1);
    const sockets = await Promise.all(service.adminPorts.map(socketsOf));
    assert.equal(sockets.reduce((sum, count) => sum + count), CLIENTS);
    // Clients that begin by polling come from one address, so nginx sends them to one node. The others reach any.
    assert(sockets.filter((count) => count > 0).length > 1, `sockets of the nodes: ${sockets}`);

    let isStopped = false;
    const writing = range(1, WRITERS).map((writer) => write(ana, vault, writer, () => isStopped));
    process.kill(service.script.pid, 'SIGUSR1');
    await service.script.waitForOutput(/all nodes rolled/).finally(() => (isStopped = true));
    const acknowledged = (await Promise.all(writing)).flat();

    const events = (await readJournals(ana, [vault])).get(vault);
    assert.deepEqual(events.map(({ payload }) => payload.source.title).toSorted(), acknowledged.toSorted());
    for (const client of clients) {
      await client.waitForConnections(1);
      await client.waitForSeq(vault, events.at(-1).seq);
      assert.deepEqual(client.resyncs, []);
      assert.deepEqual(client.eventsOf(vault), events);
    }
  } catch (error) {
    console.error(service.script.output);
    throw error;
  } finally {
    for (const client of clients) client.close();
    await service.dispose();
  }
});
