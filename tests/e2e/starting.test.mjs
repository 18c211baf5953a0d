// What an operator gets wrong at a start: one line says what it is, with a number where there is one, and what to do.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { onPostgres } from './database.mjs';
import { Person } from './person.mjs';
import { freePort, Service } from './service.mjs';

const opened = [];
after(async () => {
  for (const service of opened) await service.dispose();
});

async function started(settings) {
  const service = await Service.start('serve', settings);
  opened.push(service);
  return service;
}

test('a second process on the same SQLite file is refused, and the lock goes with the first, however that ends', { skip: onPostgres ? 'two processes on one PostgreSQL are meant to be' : false }, async () => {
  const first = await started({});
  const elsewhere = { DATABASE_URL: first.database.url, PORT: `${await freePort()}` };
  for (const command of [['serve'], ['demo'], ['migrate', 'up'], ['migrate', 'down'], ['epoch', 'renew']]) {
    const refused = await first.refused(command, elsewhere);
    assert.match(refused, new RegExp(`vaultcast\\.db is in use by another vaultcast \\(process ${first.pid}\\): stop that one first`), `${command}`);
  }
  // To look is allowed.
  assert.match(await first.run('migrate', 'status'), /^applied /);
  await first.run('check');

  await first.kill();
  await first.resume();
  const ana = new Person(first, 'ana', 'Ana', 'ana@example.com');
  (await ana.get('/api/me')).is(200);
  await first.stop();
  assert.match(await first.run('epoch', 'renew'), /^\S+\n$/);
  await first.resume();
});

test('a limit of open files that is too low for limits.sockets is warned of, with the number that it needs', async () => {
  const limited = { VAULTCAST__LIMITS__SOCKETS: '100000', LIMITED: '-n 900' };
  const service = await started(limited);
  const [, limit, needs] = await service.says(/limits\.sockets = 100000: raise it to \d+ .*limit=(\d+) needs=(\d+)/);
  assert.equal(Number(limit), 900);
  assert(Number(needs) > 100_000);
  assert.match(service.output, new RegExp(`ulimit -n ${needs}.*LimitNOFILE=${needs}`));
  await service.stop();
});

test('a soft limit of open files is raised as far as it goes, and whoever sets no limit of sockets is told how many fit', async () => {
  const service = await started({ LIMITED: '-Sn 500' });
  const [, sockets] = await service.says(/the limit of open files is enough for (\d+) sockets/);
  const limits = await readFile(`/proc/${service.pid}/limits`, 'utf8');
  const [, soft, hard] = limits.match(/Max open files +(\d+) +(\d+)/);
  assert.equal(soft, hard);
  assert(Number(sockets) < Number(hard) && Number(sockets) >= Number(hard) - 5_000, `${sockets} of ${hard}`);
  await service.stop();
});
