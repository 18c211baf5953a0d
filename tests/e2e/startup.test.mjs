// Operator errors at startup: one line names the problem, the relevant number and the remedy.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { onPostgres } from './database.mjs';
import { TestUser } from './test-user.mjs';
import { freePort, TestServer } from './test-server.mjs';

const opened = [];
after(async () => {
  for (const service of opened) await service.dispose();
});

async function startTracked(settings) {
  const service = await TestServer.start('serve', settings);
  opened.push(service);
  return service;
}

test('a second process on the same SQLite file is refused, and the lock is released when the first process exits or is killed', { skip: onPostgres ? 'several processes may share a PostgreSQL database' : false }, async () => {
  const first = await startTracked({});
  const sameDatabase = { DATABASE_URL: first.database.url, PORT: `${await freePort()}` };
  for (const command of [['serve'], ['demo'], ['migrate', 'up'], ['migrate', 'down'], ['epoch', 'renew']]) {
    const refused = await first.expectRefusal(command, sameDatabase);
    assert.match(refused, new RegExp(`vaultcast\\.db is in use by another vaultcast \\(process ${first.pid}\\): stop that one first`), `${command}`);
  }
  // Read-only commands are allowed.
  assert.match(await first.run('migrate', 'status'), /^applied /);
  await first.run('check');

  await first.kill();
  await first.restart();
  const ana = new TestUser(first, 'ana', 'Ana', 'ana@example.com');
  (await ana.get('/api/me')).expectStatus(200);
  await first.stop();
  assert.match(await first.run('epoch', 'renew'), /^\S+\n$/);
  await first.restart();
});

for (const [key, variable] of [['limits.sockets', 'VAULTCAST__LIMITS__SOCKETS'], ['server.max_connections', 'VAULTCAST__SERVER__MAX_CONNECTIONS']]) {
  test(`an open-file limit that is too low for ${key} is logged as a warning with the required limit`, async () => {
    const service = await startTracked({ [variable]: '100000', ULIMIT: '-n 900' });
    const [, limit, needed] = await service.waitForOutput(new RegExp(`${key} = 100000: raise it to \\d+ .*limit=(\\d+) needed=(\\d+)`));
    assert.equal(Number(limit), 900);
    assert(Number(needed) > 100_000);
    assert.match(service.output, new RegExp(`ulimit -n ${needed}.*LimitNOFILE=${needed}`));
    await service.stop();
  });
}

test('under an open-file limit, connections that are too many are refused with an answer and a log line, and served again later', async () => {
  const service = await startTracked({ ULIMIT: '-n 900' });
  const idle = [];
  const answer = () => fetch(`${service.url}/healthz`, { headers: { connection: 'close' } });
  try {
    for (;;) {
      const response = await answer();
      if (response.status === 503) {
        assert.equal((await response.json()).code, 'UNAVAILABLE');
        break;
      }
      assert(idle.length < 900, 'more connections than descriptors');
      for (let count = 0; count < 25; count += 1) idle.push(await openConnection(service.port));
    }
    await service.waitForOutput(/connection refused: too many open connections .*listener="main" bound=\d+/);
    assert(idle.length > 300, `refused with ${idle.length} connections`);
  } finally {
    for (const socket of idle) socket.destroy();
  }
  while ((await answer()).status === 503);
  await service.stop();
});

/** Opens a TCP connection that sends nothing. */
function openConnection(port) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', reject);
  });
}

test('the soft open-file limit is raised to the hard limit, and without limits.sockets the possible number of sockets is logged', async () => {
  const service = await startTracked({ ULIMIT: '-Sn 500' });
  const [, sockets] = await service.waitForOutput(/the limit of open files is enough for (\d+) sockets/);
  const limits = await readFile(`/proc/${service.pid}/limits`, 'utf8');
  const [, soft, hard] = limits.match(/Max open files +(\d+) +(\d+)/);
  assert.equal(soft, hard);
  assert(Number(sockets) < Number(hard) && Number(sockets) >= Number(hard) - 5_000, `${sockets} of ${hard}`);
  await service.stop();
});
