// The container image of the Dockerfile: what it consists of, and its service over the life of two containers on one volume.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Image } from './image.mjs';

const SERVICE = 'http://127.0.0.1:3000';
const SECRET = { AUTH_SECRET: 'a-secret-of-the-tests-that-is-long-enough' };

const volume = mkdtempSync(path.join(process.env.PACKAGING_DIR, 'root-volume-'));
const containers = [];
/** @type {Image} */
let image;

before(() => {
  image = Image.build();
});

after(async () => {
  for (const container of containers) await container.close();
  rmSync(volume, { recursive: true });
  image?.delete();
});

async function createContainer() {
  const container = await image.createContainer(volume);
  containers.push(container);
  return container;
}

/** Starts the service in a new container and resolves with both when it listens. */
async function startService() {
  const container = await createContainer();
  const service = image.start(container, image.config.Entrypoint, SECRET);
  await service.waitForOutput(/vaultcast serves addr=0\.0\.0\.0:3000/);
  return { container, service };
}

/** Runs the health check and resolves with its exit status. */
async function checkHealth(container) {
  return (await image.start(container, image.healthCheck, SECRET).waitForExit()).code;
}

test('the image has a numeric user other than root, one port and one volume', () => {
  assert.match(image.base, /^gcr\.io\/distroless\/cc-debian\d+:nonroot$/);
  assert.match(image.config.User, /^[1-9]\d*:[1-9]\d*$/);
  assert.deepEqual(Object.keys(image.config.ExposedPorts), ['3000/tcp']);
  assert.deepEqual(Object.keys(image.config.Volumes), ['/var/lib/vaultcast']);
});

test('the service runs without privileges on a read-only root, and writes to its volume only', async () => {
  const { container, service } = await startService();
  assert.equal((await container.request(`${SERVICE}/readyz`)).status, 200);

  const { user } = image.user;
  const state = (file) => readFileSync(`/proc/${container.pidOf(service)}/${file}`, 'utf8');
  assert.match(state('status'), new RegExp(`^Uid:\\t${user}\\t${user}\\t`, 'm'));
  assert.match(state('status'), /^CapEff:\t0+$/m);
  assert.match(state('mountinfo'), / \/ ro,/);
  assert.equal(statSync(volume).uid, user);
  assert.ok(existsSync(path.join(volume, 'vaultcast.db')));
  assert.deepEqual(await container.signal(service, 'SIGTERM'), { code: 0, signal: null });
});

test('the health check succeeds while the service runs, and fails when it does not', async () => {
  const { container, service } = await startService();
  assert.equal(await checkHealth(container), 0);
  await container.signal(service, 'SIGKILL');
  assert.notEqual(await checkHealth(container), 0);
});

test('an acknowledged change survives kill -9 of the container and its replacement by a new one', async () => {
  const first = await startService();
  const issue = ['token', '--user', 'user_1', '--name', 'Ana', '--email', 'ana@example.com'];
  const issued = image.start(first.container, [...image.config.Entrypoint, ...issue], SECRET);
  assert.equal((await issued.waitForExit()).code, 0, issued.output);
  const token = issued.stdout.trim();
  const created = await first.container.request(`${SERVICE}/api/vaults`, { method: 'POST', token, body: { name: 'Physics' } });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  await first.container.signal(first.service, 'SIGKILL');
  await first.container.close();

  const second = await startService();
  const read = await second.container.request(`${SERVICE}/api/vaults/${created.body.id}`, { token });
  assert.deepEqual([read.status, read.body.name], [200, 'Physics']);
  await second.container.signal(second.service, 'SIGTERM');
});

test('a container without a secret stops, and says why', async () => {
  const service = image.start(await createContainer(), image.config.Entrypoint, {});
  assert.equal((await service.waitForExit()).code, 1);
  assert.match(service.output, /AUTH_SECRET/);
});

test('the first stage finds the whole workspace in the context of the build', () => {
  const included = readFileSync('.dockerignore', 'utf8').match(/^!.+$/gm).map((line) => line.slice(1));
  const context = mkdtempSync(path.join(process.env.PACKAGING_DIR, 'root-context-'));
  const excluded = /(^|\/)(target|node_modules)$/;
  for (const name of included) cpSync(name, path.join(context, name), { recursive: true, filter: (file) => !excluded.test(file) });
  // Cargo names a manifest, member, benchmark or lock entry that is missing.
  execFileSync('cargo', ['metadata', '--locked', '--offline', '--format-version=1', '--no-deps'], { cwd: context, stdio: 'pipe' });
  for (const read of ['.cargo/config.toml', 'web/dist/index.html', 'web/docs.css', 'config.toml']) assert.ok(existsSync(path.join(context, read)), read);
  rmSync(context, { recursive: true });
});
