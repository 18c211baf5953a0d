// The Debian package over its life: installed, started, upgraded, removed and purged in a Debian root. The root has no systemd: the
// service is started as the unit says, and in one test a stand-in for systemctl records what the package requests.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { InstalledService } from './installed-service.mjs';
import { SealedRoot } from './sealed-root.mjs';

const packages = process.env.PACKAGES_DIR;
const CONFIG = '/etc/vaultcast/config.toml';
const SECRETS = '/etc/vaultcast/secrets.env';
const STATE = '/var/lib/vaultcast';
const SECRET = 'a secret of the tests that is long enough';

const present = path.join(packages, readdirSync(packages).find((name) => name.endsWith('.deb')));
const version = execFileSync('dpkg-deb', ['--field', present, 'Version'], { encoding: 'utf8' }).trim();
const nextVersion = version.replace(/\d+$/, (revision) => `${Number(revision) + 1}`);

/** The Debian root in which every test of this file goes on where the one before it ended. */
let root;
let vault;

before(async () => {
  root = await SealedRoot.create(process.env.DEBIAN_ROOT);
  copyFileSync(present, root.path('/tmp/present.deb'));
  makeNextPackage(root.path('/tmp/next.deb'));
});

after(() => root?.close());

/** Makes the package of the next revision. Its configuration has a new line, as that of a new version may have. */
function makeNextPackage(file) {
  const unpacked = root.path('/tmp/next');
  execFileSync('dpkg-deb', ['--raw-extract', present, unpacked]);
  const control = `${unpacked}/DEBIAN/control`;
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `Version: ${nextVersion}`));
  appendFileSync(unpacked + CONFIG, '# A comment of the next version.\n');
  execFileSync('dpkg-deb', ['--build', '-Zgzip', '-z1', '--root-owner-group', unpacked, file]);
}

/** Describes a file of the root as `mode owner:group`. */
function permissions(file) {
  return root.run(['/usr/bin/stat', '--format=%a %U:%G', file]);
}

test('an installed package has a user, its configuration, its secrets, a state directory and an enabled unit', async () => {
  await root.shell('dpkg --install /tmp/present.deb');

  assert.equal(await root.shell('dpkg --audit'), '');
  assert.match(await root.shell('dpkg-query --show --showformat \'${Depends}\' vaultcast'), /libc6 \(>= /, 'the libraries of the binary');
  assert.match(await root.shell('getent passwd vaultcast'), /^vaultcast:x:\d+:\d+:.*:\/var\/lib\/vaultcast:\/usr\/sbin\/nologin$/);
  assert.equal(await permissions('/usr/bin/vaultcast'), '755 root:root');
  assert.equal(await permissions(CONFIG), '644 root:root');
  assert.equal(await permissions(SECRETS), '640 root:vaultcast');
  assert.equal(await permissions(STATE), '700 vaultcast:vaultcast');
  assert.match(await root.shell('dpkg-query --show --showformat \'${Conffiles}\' vaultcast'), /^\/etc\/vaultcast\/config\.toml [0-9a-f]{32}$/);
  assert.equal(await root.shell('readlink /etc/systemd/system/multi-user.target.wants/vaultcast.service'), '/lib/systemd/system/vaultcast.service');
  assert.match(await root.read('/usr/share/doc/vaultcast/copyright'), /^License: Expat or Apache-2\.0$/m);
});

test('the manual names every command of the binary', async () => {
  const help = await root.run(['/usr/bin/vaultcast', '--help']);
  const [, table] = help.match(/^Commands:\n([^]*?)\n\n/m);
  const commands = [...table.matchAll(/^ {2}(\w+) /gm)].map(([, name]) => name).filter((name) => name !== 'help');
  const manual = execFileSync('gzip', ['--decompress', '--stdout', root.path('/usr/share/man/man1/vaultcast.1.gz')], { encoding: 'utf8' });
  assert.ok(commands.length > 5, table);
  for (const name of commands) assert.match(manual, new RegExp(`^\\.B ${name}\\b`, 'm'));
});

test('a service that was just installed starts without any setting, on loopback', async () => {
  const service = await InstalledService.start(root);
  assert.equal((await service.get('/readyz')).status, 200);
  assert.match(service.output, /vaultcast serves addr=127\.0\.0\.1:3000/);
  assert.deepEqual(await service.stop(), { code: 0, signal: null });
});

test('an acknowledged change survives kill -9 and an upgrade, and so do settings and secrets', async () => {
  appendFileSync(root.path(SECRETS), `AUTH_SECRET=${SECRET.replaceAll(' ', '-')}\n`);
  writeFileSync(root.path(CONFIG), (await root.read(CONFIG)).replace('bind = "127.0.0.1:3000"', 'bind = "0.0.0.0:8080"'));
  const service = await InstalledService.start(root, { port: 8080 });
  const created = await service.post('/api/vaults', { name: 'Physics' });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  vault = created.body;
  assert.deepEqual(await service.kill(), { code: null, signal: 'SIGKILL' });

  // As unattended upgrades do: changed configuration is kept.
  await root.shell('dpkg --force-confdef --force-confold --install /tmp/next.deb');
  assert.equal(await root.shell('dpkg-query --show --showformat \'${Status} ${Version}\' vaultcast'), `install ok installed ${nextVersion}`);
  assert.match(await root.read(`${CONFIG}.dpkg-dist`), /A comment of the next version/);
  assert.equal(await permissions(SECRETS), '640 root:vaultcast');

  const upgraded = await InstalledService.start(root, { port: 8080 });
  const read = await upgraded.get(`/api/vaults/${vault.id}`);
  assert.equal(read.status, 200);
  assert.equal(read.body.name, 'Physics');
  assert.match(await upgraded.command('verify'), /1 vault/);
  await upgraded.stop();
});

test('under systemd an upgrade restarts the service once, and a removal stops it', async () => {
  mkdirSync(root.path('/run/systemd/system'), { recursive: true });
  // Reports every unit as active and enabled.
  writeFileSync(root.path('/usr/bin/systemctl'), '#!/bin/sh\necho "$@" >>/tmp/systemctl.log\n', { mode: 0o755 });
  const requested = async (line) => {
    writeFileSync(root.path('/tmp/systemctl.log'), '');
    await root.shell(line);
    const calls = (await root.read('/tmp/systemctl.log')).trim().split('\n');
    return calls.filter((call) => /\b(start|stop|restart|try-restart)\b/.test(call));
  };

  const upgrade = await requested('dpkg --force-confold --install /tmp/present.deb && dpkg --force-confold --install /tmp/next.deb');
  assert.equal(upgrade.length, 2, `one restart for each installation: ${upgrade}`);
  for (const call of upgrade) assert.match(call, /restart vaultcast\.service$/);
  const removal = await requested('dpkg --remove vaultcast');
  assert.equal(removal.length, 1, `${removal}`);
  assert.match(removal[0], /stop vaultcast\.service$/);
});

test('a removed package leaves settings, secrets and data', () => {
  assert.ok(!existsSync(root.path('/usr/bin/vaultcast')));
  for (const kept of [CONFIG, SECRETS, `${STATE}/vaultcast.db`]) assert.ok(statSync(root.path(kept)).isFile(), kept);
});

test('a package that is installed again finds the data', async () => {
  await root.shell('dpkg --install /tmp/next.deb');
  const service = await InstalledService.start(root, { port: 8080 });
  assert.equal((await service.get(`/api/vaults/${vault.id}`)).status, 200);
  await service.stop();
});

test('a purged package leaves nothing but its user', async () => {
  await root.shell('dpkg --purge vaultcast');
  const leftOver = await root.shell("find / -xdev -name '*vaultcast*' -not -path '/tmp/*' -not -path '/proc/*' -not -path '/var/log/*'");
  assert.equal(leftOver, '');
  assert.ok(!existsSync(root.path(CONFIG)) && !existsSync(root.path('/etc/vaultcast')));
  assert.match(await root.shell('getent passwd vaultcast'), /^vaultcast:/);
});
