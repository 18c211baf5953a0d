// The container image. No registry and no builder is needed: the last stage of the Dockerfile is carried out on a root of the Debian
// packages that its base image consists of, around the binary that `deploy/package` laid out.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { Image } from './image.mjs';

const image = Image.read('deploy/container/Dockerfile');
const build = path.join(process.env.PACKAGES_DIR, 'image');
const volume = mkdtempSync(path.join(process.env.PACKAGING_DIR, 'root-volume-'));
const SECRET = { AUTH_SECRET: 'a-secret-of-the-tests-that-is-long-enough' };

const roots = [];
after(async () => {
  for (const root of roots) await root.close();
  rmSync(volume, { recursive: true });
});

/** Creates a container of the image on the volume. */
async function createContainer() {
  const root = await image.createRoot({ baseTarball: process.env.IMAGE_BASE, context: '.', build, volume });
  roots.push(root);
  return root;
}

/** Starts a command of the image with its user, directory and environment, and the variables of `docker run --env`. */
function start(root, command, env = SECRET) {
  return root.spawn(command, { user: image.user, group: image.group, directory: image.directory, env: { ...image.env, ...env } });
}

/** Starts the service in a new container and resolves with both when it listens. */
async function startService() {
  const root = await createContainer();
  const service = start(root, image.entrypoint);
  await service.waitForOutput(/vaultcast serves addr=0\.0\.0\.0:3000/);
  return { root, service };
}

/** Runs the health check and resolves with its exit status. */
async function checkHealth(root) {
  return (await start(root, image.healthCheck).waitForExit()).code;
}

test('the image has a numeric user other than root, a volume, a health check, and no shell', async () => {
  assert.ok(image.user > 0 && image.group > 0);
  assert.deepEqual(image.volumes, ['/var/lib/vaultcast']);
  assert.deepEqual(image.ports, [3000]);
  assert.match(image.base, /^gcr\.io\/distroless\/cc-debian\d+:nonroot$/);

  const root = await createContainer();
  const shell = start(root, ['/bin/sh', '-c', 'true']);
  assert.notEqual((await shell.waitForExit()).code, 0, 'the root of the test has no shell, as the base image has none');
});

test('the service runs without privileges on a read-only root and writes to its volume only', async () => {
  const { root, service } = await startService();
  const { status, body } = await root.request('http://127.0.0.1:3000/readyz');
  assert.equal(status, 200, JSON.stringify(body));

  const state = readFileSync(`/proc/${root.pidOf(service)}/status`, 'utf8');
  assert.match(state, new RegExp(`^Uid:\\t${image.user}\\t${image.user}\\t`, 'm'));
  assert.match(state, /^CapEff:\t0+$/m);
  assert.match(readFileSync(`/proc/${root.pidOf(service)}/mountinfo`, 'utf8'), / \/ ro,/);
  assert.equal(statSync(volume).uid, image.user);
  assert.ok(statSync(path.join(volume, 'vaultcast.db')).isFile());
  assert.deepEqual(await root.signal(service, 'SIGTERM'), { code: 0, signal: null });
});

test('the health check succeeds while the service runs, and fails when it does not', async () => {
  const { root, service } = await startService();
  assert.equal(await checkHealth(root), 0);
  await root.signal(service, 'SIGKILL');
  assert.notEqual(await checkHealth(root), 0);
});

test('a change survives kill -9 of the container and its replacement by a new one', async () => {
  const first = await startService();
  const issued = start(first.root, [...image.entrypoint, 'token', '--user', 'user_1', '--name', 'Ana', '--email', 'ana@example.com']);
  assert.equal((await issued.waitForExit()).code, 0, issued.output);
  const token = issued.stdout.trim();
  const created = await first.root.request('http://127.0.0.1:3000/api/vaults', { method: 'POST', token, body: { name: 'Physics' } });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  await first.root.signal(first.service, 'SIGKILL');
  await first.root.close();

  const second = await startService();
  const { id } = created.body.vault ?? created.body;
  const read = await second.root.request(`http://127.0.0.1:3000/api/vaults/${id}`, { token });
  assert.equal(read.status, 200);
  await second.root.signal(second.service, 'SIGTERM');
});

test('a container without a secret stops, and says why', async () => {
  const root = await createContainer();
  const service = start(root, image.entrypoint, {});
  assert.equal((await service.waitForExit()).code, 1);
  assert.match(service.output, /AUTH_SECRET/);
});

test('the context of the build has every file that the workspace needs', () => {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' }).trim().split('\n');
  const kept = readFileSync('.dockerignore', 'utf8').match(/^!.+$/gm).map((line) => line.slice(1));
  const isKept = (file) => kept.some((place) => file === place || file.startsWith(`${place}/`));
  for (const needed of ['Cargo.toml', 'Cargo.lock', 'config.toml', '.cargo/config.toml', 'src/main.rs']) assert.ok(isKept(needed), needed);
  const sources = listed.filter((file) => /^(src|entity|migration|simulation|socketio)\//.test(file));
  assert.deepEqual(sources.filter((file) => !isKept(file)), []);
});
