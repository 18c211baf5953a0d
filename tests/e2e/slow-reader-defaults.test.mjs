// A slow reader at the default settings: what recovery remembers reaches further back than the outbox, the transport's buffers and the
// kernel's buffers can hold, so a client that stopped reading is recovered like any other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetricsProbe } from './metrics-probe.mjs';
import { PAPER, range } from './fixtures.mjs';
import { TestClient } from './test-client.mjs';
import { TestUser } from './test-user.mjs';
import { TestServer } from './test-server.mjs';

const WRITERS = 16;
/** So many events are never needed: the outbox and all buffers hold far fewer. */
const MAX_EVENTS = 50_000;
/** The service must not close the client for an unanswered ping, however long it takes to write enough. */
const PING_TIMEOUT = { VAULTCAST__SOCKETIO__PING_TIMEOUT: '15m' };

test('a slow reader at default settings is recovered and misses no event', { timeout: 600_000 }, async (context) => {
  const { probe, settings } = await MetricsProbe.prepare();
  const service = await TestServer.start('serve', { ...settings, ...PING_TIMEOUT });
  context.after(() => service.dispose());
  probe.attach(service);
  const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com').withLongTimeout();
  const vault = { id: (await ana.post('/api/vaults', { name: 'Busy' })).expectStatus(201).body.id };

  // The client joins after each connect and never asks for missed events, as the example of the contract does.
  const client = new TestClient(service.url, { transports: ['websocket'], auth: { token: ana.token() } });
  context.after(() => client.close());
  client.socket.on('connect', () => client.emit('vault:join', vault.id));
  const { id } = await client.nextEvent('connect');
  await client.nextEvent('vault:joined');

  const tcp = client.socket.io.engine.transport.ws._socket;
  tcp.pause();
  let isClosed = false;
  let written = 0;
  const writers = range(1, WRITERS).map(async () => {
    while (!isClosed) {
      written += 1;
      assert(written <= MAX_EVENTS, 'the client was not closed as slow');
      (await ana.post(`/api/vaults/${vault.id}/sources`, { ...PAPER, title: `Paper ${written}` })).expectStatus(201);
    }
  });
  await Promise.all([probe.waitForMetric('sockets_closed_total{reason="slow"}', (closed) => closed === 1, 500_000).finally(() => (isClosed = true)), ...writers]);
  tcp.resume();

  assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
  const now = await client.nextEvent('connect');
  assert.deepEqual([now.id, now.recovered], [id, true]);
  await client.waitForSeq(vault, written);
  assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(1, written));
  assert.equal(await probe.read('delivery_trace_dropped_total'), 0);
});
