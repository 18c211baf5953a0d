// Clients in Python, synchronous and asynchronous, beside the official one: however the server closes their transport, they come
// back and continue without a gap.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { PythonClient, installPythonSocketio } from './python-client.mjs';
import { TestClient } from './test-client.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';
import { PAPER, range } from './test-context.mjs';

const TRANSPORTS = [['polling'], ['websocket'], ['polling', 'websocket']];
/** A `ttl` in seconds of a session that expired within the tolerance of 15 seconds: the client, whose process has to start first, even
 * on a busy machine, has twelve seconds left. */
const ALMOST_EXPIRED = -3;
/** The smallest outbox that is allowed, and more events than it and one answer hold. */
const OUTBOX = 64;
const BURST = 3 * OUTBOX;

before(installPythonSocketio, { timeout: 300_000 });

/** The official client, with the same functions as a `PythonClient`. */
class OfficialClient extends TestClient {
  constructor({ url, transports, vault, tokens }) {
    super(url, { transports, auth: (send) => send({ token: tokens.length > 1 ? tokens.shift() : tokens[0] }) });
    this.socket.on('connect', () => {
      const since = this.seqs.at(-1);
      if (!this.socket.recovered) this.emit('vault:join', { vaultId: vault.id, ...(since === undefined ? {} : { since }) });
    });
  }

  get seqs() {
    return this.log.filter(({ event }) => event.startsWith('source:')).map(({ payload }) => payload.seq);
  }

  stop() {
    this.close();
  }
}

const pythonClients = (handlers) => ({
  'python-socketio, Client': (options) => new PythonClient({ kind: 'sync', handlers, ...options }),
  'python-socketio, AsyncClient': (options) => new PythonClient({ kind: 'async', handlers, ...options }),
});
const PYTHON_CLIENTS = pythonClients('recovery');
const CLIENTS = { ...PYTHON_CLIENTS, 'socket.io-client': (options) => new OfficialClient(options) };

/** Runs a test with each of the clients over each of the transports. */
function testEachClient(title, run, { clients = CLIENTS, transports: all = TRANSPORTS, settings = {} } = {}) {
  for (const [name, start] of Object.entries(clients)) {
    for (const transports of all) {
      test(`${title} (${name}, ${transports})`, { timeout: 180_000 }, async () => {
        const service = await TestServer.start('serve', settings);
        const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
        const { body: vault } = (await ana.post('/api/vaults', { name: 'Plans' })).expectStatus(201);
        const write = async (count) => {
          const written = range(1, count).map(() => ana.post(`/api/vaults/${vault.id}/sources`, PAPER));
          for (const answer of await Promise.all(written)) answer.expectStatus(201);
        };
        const started = [];
        /** Starts a client and waits until it has joined and received the first event. */
        const joinedClient = async (tokens = [ana.token()]) => {
          const client = start({ url: service.url, transports, vault, tokens });
          started.push(client);
          await client.nextEvent('connect');
          await client.nextEvent('vault:joined');
          await write(1);
          await client.nextEvent('source:created');
          return client;
        };
        /** Waits until the client has received the events 1 to `last`, each once. (The synchronous client may reorder them.) */
        const receivesAll = async (client, last) => {
          await client.waitFor(() => (client.seqs.length >= last ? true : undefined), () => `received ${client.seqs}; ${client.output ?? client}`);
          assert.deepEqual(client.seqs.sort((a, b) => a - b), range(1, last));
        };
        try {
          await run({ service, ana, write, joinedClient, receivesAll });
        } finally {
          for (const client of started) await client.stop('SIGKILL');
          await service.dispose();
        }
      });
    }
  }
}

// These tests mostly wait for processes to start and for sessions to end, so several run at the same time.
describe('python-socketio', { concurrency: 4 }, () => {
  testEachClient('after an orderly stop the client comes back', async ({ service, write, joinedClient, receivesAll }) => {
    const client = await joinedClient();
    for (const last of [2, 3]) {
      await service.stop();
      await client.nextEvent('disconnect');
      await service.restart();
      await client.nextEvent('connect');
      await write(1);
      await receivesAll(client, last);
    }
  });

  testEachClient('at the end of its session the client comes back with a new one', async ({ ana, write, joinedClient, receivesAll }) => {
    const client = await joinedClient([ana.token({ ttl: ALMOST_EXPIRED }), ana.token()]);
    await client.nextEvent('disconnect');
    await write(1);
    await client.nextEvent('connect');
    await receivesAll(client, 2);
  });

  // The official client is tested in slow-reader.test.mjs: it runs in this process, which cannot be stopped.
  testEachClient('closed as slow, the client comes back', async ({ service, write, joinedClient, receivesAll }) => {
    const client = await joinedClient();
    process.kill(client.pid, 'SIGSTOP');
    await write(BURST);
    await service.waitForOutput(/session closed.*slow/);
    process.kill(client.pid, 'SIGCONT');
    await client.nextEvent('disconnect');
    await client.nextEvent('connect');
    await receivesAll(client, BURST + 1);
  }, {
    clients: PYTHON_CLIENTS,
    transports: [['polling']],
    settings: { VAULTCAST__ACTORS__SESSION_OUTBOX: String(OUTBOX), RUST_LOG: 'info,actix_socketio=debug' },
  });

  // The handlers of python-socketio receive every argument of an event, so one with the contract's one parameter fails on an offset.
  testEachClient('with recovery off, handlers with one argument receive every event', async ({ service, write, joinedClient, receivesAll }) => {
    const client = await joinedClient();
    await service.stop();
    await client.nextEvent('disconnect');
    await service.restart();
    await write(1);
    await client.nextEvent('vault:joined');
    await write(1);
    await receivesAll(client, 3);
    assert(!/TypeError/.test(client.output), client.output);
  }, { clients: pythonClients('contract') });
});
