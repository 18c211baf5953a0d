// Slow readers with Socket.IO 2: a client that stops reading is closed, comes back by itself and receives what it missed with `since`,
// with a small outbox and at the default settings.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { range } from './fixtures.mjs';
import { MetricsProbe } from './metrics-probe.mjs';
import { testOldClientsTogetherWith } from './old-client.mjs';
import { httpApi } from './source-api.mjs';

const WRITERS = 8;
/** So many events are never needed: the outbox and all buffers hold far fewer. */
const MAX_EVENTS = 20_000;

/** A source whose event has almost five kilobytes. */
const LONG_SOURCE = { title: '\u{1F4C4}'.repeat(500), fileUrl: `https://files.example.com/${'y'.repeat(2000)}`, fileKey: 'z'.repeat(500) };

/** Neither side must close a client for an unanswered ping, however long it takes to write enough. */
const PING_TIMEOUT = { VAULTCAST__SOCKETIO__PING_TIMEOUT: '15m' };

/** A client that follows a vault and can stop reading. */
class SlowReader {
  static async connect({ connectClient, startProxy, transport }, user, vault) {
    const reader = new SlowReader();
    const isPolling = transport.transports?.[0] === 'polling';
    // The kernel buffers what a proxy sends as well, so only those that need one have it.
    reader.proxy = isPolling ? await startProxy() : undefined;
    reader.client = await connectClient(user, isPolling ? { via: reader.proxy } : {});
    await reader.client.waitForUpgrade();
    reader.start = await reader.client.join(vault);
    return reader;
  }

  stopReading() {
    this.tcp = this.client.socket.io.engine.transport.ws?._socket;
    // The pending poll ends with the next event, and the poll after it waits in the proxy.
    if (this.proxy) this.proxy.holdConnections();
    else this.tcp.pause();
  }

  resumeReading() {
    if (this.proxy) this.proxy.restore();
    else this.tcp.resume();
  }
}

/** Writes until the service has closed `count` clients as slow, and returns the number of the last event. */
async function writeUntilSlow(probe, user, vault, count) {
  const closed = 'sockets_closed_total{reason="slow"}';
  let [running, written, last] = [true, 0, 0];
  const writers = range(1, WRITERS).map(async () => {
    while (running) {
      assert((written += 1) <= MAX_EVENTS, 'a client was not closed as slow');
      const { seq } = await httpApi(user).create(vault, LONG_SOURCE);
      last = Math.max(last, seq);
    }
  });
  await Promise.all([probe.waitForMetric(closed, (value) => value === count, 300_000).finally(() => (running = false)), ...writers]);
  return last;
}

/** Asserts that the reader, which reads again, notices its end, comes back by itself and receives each event once with `since`. */
async function assertResumes({ client, start }, vault, last) {
  assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
  await client.nextEvent('reconnect');
  await client.nextEvent('connect');
  const since = client.eventsOf(vault).at(-1)?.seq ?? start.seq;
  const joined = await client.join(vault, { since, epoch: start.epoch });
  assert.deepEqual([joined.replayed, joined.resync], [last - since, undefined]);
  await client.waitForSeq(vault, last);
  assert.deepEqual(client.eventsOf(vault).map(({ seq }) => seq), range(start.seq + 1, last));
}

const SETTINGS = { 'a small outbox': { VAULTCAST__ACTORS__SESSION_OUTBOX: '64' }, 'the default settings': {} };

for (const [name, settings] of Object.entries(SETTINGS)) {
  const { probe, settings: probeSettings } = await MetricsProbe.prepare();
  const testOldClientsTogether = testOldClientsTogetherWith({ ...probeSettings, ...PING_TIMEOUT, ...settings });

  testOldClientsTogether(`with ${name}, clients that stop reading are closed as slow, and resume with since`, async (contexts) => {
    const ana = contexts[0].newUser('ana').withLongTimeout();
    const vault = await contexts[0].newVault(ana);
    const readers = await Promise.all(contexts.map((context) => SlowReader.connect(context, ana, vault)));
    for (const reader of readers) reader.stopReading();
    const last = await writeUntilSlow(probe, ana, vault, readers.length);
    for (const reader of readers) reader.resumeReading();
    await Promise.all(readers.map((reader) => assertResumes(reader, vault, last)));
  });
}
