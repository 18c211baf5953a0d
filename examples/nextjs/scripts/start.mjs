// Starts vaultcast, the application and nginx on this machine, and stops all on Ctrl-C, or when one cannot go on. A vaultcast that was
// ready and ends is started again, as systemd does it.
//
//   npm start -- [--port 8080] [--https]
//
// The application is built first if it was not. VAULTCAST_BIN names the binary of vaultcast; otherwise that of this repository is
// used, or the installed one. Databases, the secret and the certificate are kept in the directory .run, or in RUN_DIRECTORY.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { BASE_PATH, configureNginx } from './nginx.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NEXT = path.join(ROOT, 'node_modules/next/dist/bin/next');
const BUILT = fileURLToPath(new URL('../../../target/release/vaultcast', import.meta.url));
const DIRECTORY = path.resolve(process.env.RUN_DIRECTORY ?? path.join(ROOT, '.run'));

const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' }, https: { type: 'boolean', default: false } } });
const port = Number(values.port);
const ports = { proxy: port, vaultcast: port + 1, next: port + 2 };
const url = `${values.https ? 'https' : 'http'}://localhost:${port}`;

const children = new Set();
let isStopping = false;
let isReady = false;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stopAll(0));

await mkdir(DIRECTORY, { recursive: true });
const secret = await readOrCreateSecret();
const env = { ...process.env, AUTH_SECRET: secret, NEXT_TELEMETRY_DISABLED: '1' };

startVaultcast();
if (!existsSync(path.join(ROOT, '.next/BUILD_ID'))) await run('next build', process.execPath, [NEXT, 'build']);
start('next', process.execPath, [NEXT, 'start', '--hostname', '127.0.0.1', '--port', String(ports.next)], {
  APP_DATABASE_URL: `file:${path.join(DIRECTORY, 'app.db')}`,
  VAULTCAST_URL: `http://127.0.0.1:${ports.vaultcast}`,
});
const configuration = await configureNginx(DIRECTORY, ports, values.https);
start('nginx', 'nginx', ['-p', DIRECTORY, '-c', configuration], { PATH: `${process.env.PATH}:/usr/sbin` });

for (const open of Object.values(ports)) await waitForPort(open);
isReady = true;
console.log(`example: ${url} is ready; Ctrl-C stops it`);

function startVaultcast() {
  const settings = {
    DATABASE_URL: `sqlite://${path.join(DIRECTORY, 'vaultcast.db')}`,
    VAULTCAST__SERVER__BIND: `127.0.0.1:${ports.vaultcast}`,
    VAULTCAST__SERVER__BASE_PATH: BASE_PATH,
    VAULTCAST__SERVER__TRUSTED_PROXIES: '["127.0.0.1"]',
    VAULTCAST__ADMIN__BIND: '',
  };
  const binary = process.env.VAULTCAST_BIN ?? (existsSync(BUILT) ? BUILT : 'vaultcast');
  start('vaultcast', binary, ['serve'], settings, (reason) => {
    if (!isReady) return end(reason);
    console.log(`example: ${reason}, and is started again`);
    startVaultcast();
  });
}

/** Starts a program that runs until all are stopped. `onEnd` is called with the reason if it ends before. */
function start(name, command, args, settings, onEnd = end) {
  const child = spawn(command, args, { cwd: ROOT, env: { ...env, ...settings }, stdio: ['ignore', 'inherit', 'inherit'] });
  children.add(child);
  child.on('error', (error) => end(`${name} cannot be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    children.delete(child);
    if (!isStopping) onEnd(`${name} has ended with ${signal ?? code}`);
  });
  if (child.pid) console.log(`example: ${name} is process ${child.pid}`);
}

/** Runs a program to its end. */
function run(name, command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, env, stdio: 'inherit' });
    child.on('exit', (code) => (code === 0 ? resolve() : end(`${name} has failed`)));
  });
}

function end(reason) {
  console.error(`example: ${reason}`);
  stopAll(1);
}

async function stopAll(code) {
  if (isStopping) return;
  isStopping = true;
  const ended = [...children].map((child) => new Promise((resolve) => child.on('exit', resolve)));
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(ended);
  process.exit(code);
}

/** Returns AUTH_SECRET, or a secret of this example that is made at its first start. */
async function readOrCreateSecret() {
  if (process.env.AUTH_SECRET) return process.env.AUTH_SECRET;
  const file = path.join(DIRECTORY, 'secret');
  if (!existsSync(file)) await writeFile(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  return readFile(file, 'utf8');
}

async function waitForPort(number) {
  const isOpen = () =>
    new Promise((resolve) => {
      const socket = connect(number, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false)).on('close', () => socket.destroy());
      socket.on('connect', () => socket.end());
    });
  while (!isStopping && !(await isOpen())) await pause(50);
}
