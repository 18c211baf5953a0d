// The archive and the checksums that `deploy/package` makes, and an installation by hand in a Debian root.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { InstalledService } from './installed-service.mjs';
import { SealedRoot } from './sealed-root.mjs';

const packages = process.env.PACKAGES_DIR;

function run(program, ...args) {
  return execFileSync(program, args, { cwd: packages, encoding: 'utf8' });
}

test('the checksums cover the archive and the Debian package, and match', () => {
  const released = readdirSync(packages).filter((name) => /\.(tar\.gz|deb)$/.test(name));
  assert.equal(released.length, 2, `${released}`);
  const checked = run('sha256sum', '--check', '--strict', 'SHA256SUMS');
  assert.deepEqual(checked.trim().split('\n').sort(), released.map((name) => `${name}: OK`).sort());
});

test('the archive contains a binary of its version, and what an installation by hand needs', () => {
  const archive = readdirSync(packages).find((name) => name.endsWith('.tar.gz'));
  const [, directory, version] = archive.match(/^(vaultcast-(.+)-linux-\w+)\.tar\.gz$/);
  const read = (file) => run('tar', '--extract', '--to-stdout', '--file', archive, `${directory}/${file}`);

  const files = run('tar', '--list', '--file', archive).trim().split('\n');
  assert.ok(files.every((file) => file.startsWith(`${directory}/`)), 'one directory, named after the version');
  for (const file of ['config.toml', 'LICENSE-MIT', 'LICENSE-APACHE', 'CHANGELOG.md', 'nginx.conf', 'docs/operations/installation.md']) {
    assert.ok(files.includes(`${directory}/${file}`), file);
  }
  // By Debian's rules packages own /usr/bin, and the administrator /usr/local/bin.
  assert.match(read('vaultcast.service'), /^ExecStart=\/usr\/local\/bin\/vaultcast --config \/etc\/vaultcast\/config\.toml$/m);

  const unpacked = mkdtempSync(path.join(process.env.PACKAGING_DIR, 'root-archive-'));
  run('tar', '--extract', '--file', archive, '--directory', unpacked);
  assert.equal(run(`${unpacked}/${directory}/vaultcast`, '--version').trim(), `vaultcast ${version}`);
  rmSync(unpacked, { recursive: true });
});

test('a service that was installed by hand, with the commands of the documents, starts', async (t) => {
  const archive = readdirSync(packages).find((name) => name.endsWith('.tar.gz'));
  const [, version] = archive.match(/^vaultcast-(.+)-linux-/);
  const page = readFileSync('docs/operations/installation.md', 'utf8');
  const [, commands] = page.match(/\n## How do I install it by hand\?\n[^]*?```sh\n([^]*?)```/);
  const root = await SealedRoot.create(process.env.DEBIAN_ROOT);
  t.after(() => root.close());

  copyFileSync(path.join(packages, archive), root.path(`/tmp/${archive}`));
  const here = commands.replaceAll('VERSION', version).replaceAll('x86_64', archive.match(/linux-(\w+)\./)[1]);
  // The shell is root, no editor is opened, and the root has no systemd.
  await root.shell(`sudo() { "$@"; }; sudoedit() { test -w "$1"; }; systemctl() { :; }; cd /tmp\n${here}`);

  const service = await InstalledService.start(root, { unit: '/etc/systemd/system/vaultcast.service' });
  assert.equal((await service.get('/readyz')).status, 200);
  assert.deepEqual(await service.stop(), { code: 0, signal: null });
});
