// Warms the service up, records its baseline, runs the churn, and compares. See `run` beside this file.

import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MetricsProbe } from '../e2e/metrics-probe.mjs';
import { RawSocketPool } from '../e2e/raw-sockets.mjs';
import { TestServer } from '../e2e/test-server.mjs';
import { TestUser } from '../e2e/test-user.mjs';
import { Churn } from './churn.mjs';
import { Levels } from './levels.mjs';

/** How long the first churn lasts, in seconds: pools, tables and buffers reach their size. */
const WARM_UP = 60;
/** The interval between two lines of progress, in seconds. */
const REPORT_INTERVAL = 60;
/** How long idle sockets are connected before their memory is read, in seconds: longer than a heartbeat. */
const IDLE_TIME = 15;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '120' },
    clients: { type: 'string', default: '200' },
    idle: { type: 'string', default: '0' },
  },
});
const seconds = 60 * Number(values.minutes);
const clients = Number(values.clients);

const { probe, settings } = await MetricsProbe.prepare();
const service = await TestServer.start('serve', {
  ...settings,
  RUST_LOG: 'warn',
  // What ends by itself ends soon, so that the baseline can be compared.
  VAULTCAST__ACTORS__VAULT_IDLE: '5s',
  VAULTCAST__SOCKETIO__RECOVERY_WINDOW: '10s',
  VAULTCAST__SOCKETIO__PING_INTERVAL: '5s',
  VAULTCAST__SOCKETIO__PING_TIMEOUT: '5s',
  VAULTCAST__LIMITS__SOCKET_BYTES_PER_SECOND: '0',
  // Slow readers fill this outbox within one burst.
  VAULTCAST__ACTORS__SESSION_OUTBOX: '256',
  VAULTCAST__JOURNAL__RETAIN_EVENTS: '20000',
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('VAULTCAST__'))),
});
const levels = new Levels(probe.attach(service));
let failures;
try {
  report(`soak of ${service.binary}: ${values.minutes} minutes, ${clients} clients`);
  await churn(Math.min(WARM_UP, seconds));
  const baseline = await levels.settle();
  report(`baseline: ${levels.describe(baseline)}`);
  const violations = await churn(seconds);
  const end = await levels.settle();
  report(`end:      ${levels.describe(end)}`);
  failures = [...levels.compare(baseline, end), ...violations.slice(0, 20)];
  if (Number(values.idle) > 0) await measureIdle(Number(values.idle), end.memory);
} finally {
  await service.dispose();
}
if (service.output.trim()) report(`log of the service:\n${service.output.slice(0, 4_000)}`);
for (const failure of failures) report(`FAILED: ${failure}`);
report(failures.length === 0 ? 'passed' : `${failures.length} failures`);
process.exit(failures.length === 0 ? 0 : 1);

/** Runs the churn for some seconds, and returns what clients received wrongly. */
async function churn(seconds) {
  const churn = new Churn(service, clients);
  const progress = setInterval(async () => report(`${churn.describe()}; ${levels.describe(await levels.read())}`), 1_000 * REPORT_INTERVAL);
  try {
    await churn.run(seconds);
  } finally {
    clearInterval(progress);
  }
  report(`done: ${churn.describe()}`);
  return churn.violations;
}

/** Reports what an idle socket, joined to a vault, takes of the service's memory after the churn. */
async function measureIdle(count, before) {
  const user = new TestUser(service, 'idle', 'Ida', 'ida@example.com').withLongTimeout();
  const { body: vault } = await user.post('/api/vaults', { name: 'Idle' });
  const pool = new RawSocketPool(service.url, user, [vault], count);
  await pool.waitForConnections(1);
  await pause(1_000 * IDLE_TIME);
  const { memory } = await levels.read();
  report(`idle:     ${count} sockets, ${((memory - before) / 1_024 / count).toFixed(2)} KiB each`);
  pool.close();
}

function report(line) {
  console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
