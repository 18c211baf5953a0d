// The real binary on a free port, with its own directory and database. A test can stop it with SIGTERM, kill it, and start it
// again on the same port and database.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newDatabase } from './database.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';

const BINARY = path.resolve(
  process.env.VAULTCAST_BIN ?? fileURLToPath(new URL('../../target/debug/vaultcast', import.meta.url)),
);

/** A setting with which the service logs that a socket is disconnected. */
export const LOG_DISCONNECTS = { RUST_LOG: 'info,vaultcast::gateway=debug' };

export class TestServer {
  secret = 'a secret of the tests that is long enough to sign with';
  /** The number of processes started so far, which identifies the current one. */
  runNumber = 0;
  #process;
  /** The output of the earlier processes. */
  #earlierOutput = '';

  constructor(directory, port, command, settings) {
    const database = newDatabase(directory);
    Object.assign(this, { directory, database, port, command, settings, url: `http://127.0.0.1:${port}` });
  }

  /** Starts `vaultcast COMMAND`. `settings` are additional environment variables. */
  static async start(command = 'serve', settings = {}) {
    const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-e2e-'));
    const service = new TestServer(directory, await freePort(), command, settings);
    try {
      await service.database.create();
      await service.restart();
    } catch (error) {
      await service.dispose();
      throw error;
    }
    return service;
  }

  /** Starts the service, initially or after a stop or a kill, and waits until it is ready. */
  async restart() {
    this.launch();
    await this.waitUntilReady();
  }

  /** Starts the service and waits until it listens, while thousands of clients reconnect: a request of this process may wait for long. */
  async restartUnderLoad() {
    this.launch();
    await this.waitForOutput(/vaultcast serves/);
  }

  /** Starts the service without waiting for it. */
  launch() {
    assert(existsSync(this.binary), `${this.binary} does not exist: run \`cargo build\`, or set VAULTCAST_BIN`);
    this.#earlierOutput = this.output;
    this.#process = this.#spawn([this.command]);
    this.runNumber += 1;
  }

  /** Runs another command of the binary with the same settings, asserts that it succeeds, and returns its output. */
  async run(...args) {
    const { code, output } = await this.tryRun(...args);
    assert.equal(code, 0, `vaultcast ${args.join(' ')}: ${output}`);
    return output;
  }

  /** Runs another command of the binary and returns its exit code and output. */
  async tryRun(...args) {
    const child = this.#spawn(args);
    const { code } = await child.waitForExit(180_000);
    return { code, output: child.output };
  }

  /** Starts another command of the binary with the same settings, and returns its process. */
  start(args, settings) {
    return this.#spawn(args, settings);
  }

  /** Runs a command, asserts that it fails with one line of output, and returns that line. */
  async expectRefusal(args, settings = {}) {
    const child = this.#spawn(args, settings);
    const { code } = await child.waitForExit();
    assert.equal(code, 1, `vaultcast ${args.join(' ')}: ${child.output}`);
    assert.match(child.output, /^vaultcast: [^\n]+\n$/);
    return child.output;
  }

  /** The setting `VAULTCAST_BIN` names another binary than that of all tests. */
  get binary() {
    return this.settings.VAULTCAST_BIN ?? BINARY;
  }

  /** The setting `ULIMIT` holds arguments of the shell's `ulimit`. */
  #spawn(args, settings = {}) {
    const { ULIMIT, VAULTCAST_BIN, ...env } = { ...this.#environment(), ...settings };
    const options = { cwd: this.directory, env };
    if (!ULIMIT) return new ManagedProcess(this.binary, args, options);
    return new ManagedProcess('sh', ['-c', `ulimit ${ULIMIT} && exec "$0" "$@"`, this.binary, ...args], options);
  }

  /** Passes on only a few variables, so that the caller's environment cannot configure the service. */
  #environment() {
    const { PATH, HOME, RUST_LOG = 'info', RUST_BACKTRACE = '1' } = process.env;
    return {
      PATH, HOME, RUST_LOG, RUST_BACKTRACE,
      PORT: String(this.port),
      DATABASE_URL: this.database.url,
      AUTH_SECRET: this.secret,
      VAULTCAST__ADMIN__BIND: '',
      VAULTCAST__LIMITS__MUTATIONS_PER_SECOND: '0',
      VAULTCAST__LIMITS__READS_PER_SECOND: '0',
      VAULTCAST__LIMITS__SOCKET_EVENTS_PER_SECOND: '0',
      ...this.settings,
    };
  }

  /** Polls `/readyz`, because no event announces an open port. */
  async waitUntilReady() {
    for (const deadline = Date.now() + 2 * DEFAULT_TIMEOUT; ; await pause(20)) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (this.#process.exitStatus || Date.now() > deadline) {
        await this.#process.stop('SIGKILL');
        throw new Error(`${this.binary} ${this.command} did not become ready; its output:\n${this.#process.output}`);
      }
    }
  }

  get pid() {
    return this.#process.pid;
  }

  /** The output of all processes so far. */
  get output() {
    return this.#earlierOutput + (this.#process?.output ?? '');
  }

  /** Waits for a match in the output of the current process. */
  waitForOutput(pattern) {
    return this.#process.waitForOutput(pattern);
  }

  /** Waits for a match after the first `length` characters of `output`. */
  waitForOutputAfter(length, pattern) {
    return this.#process.waitForOutput(pattern, length - this.#earlierOutput.length);
  }

  /** Waits until the service has noticed that this socket is disconnected. Its log needs the setting `LOG_DISCONNECTS`. */
  waitForDisconnected(id) {
    return this.waitForOutput(new RegExp(`^.*socket disconnected.*${id}`, 'm'));
  }

  /** Sends SIGKILL and resolves with the exit status. The process may have exited before. */
  async kill() {
    return this.#process.stop('SIGKILL');
  }

  /** Sends SIGTERM and asserts that the service exits with status 0. */
  async stop() {
    const status = await this.#process.stop('SIGTERM', 3 * DEFAULT_TIMEOUT);
    assert.deepEqual(status, { code: 0, signal: null }, `the service did not exit cleanly; its output:\n${this.output}`);
  }

  /** Sends a signal without waiting for an effect. */
  signal(signal) {
    process.kill(this.pid, signal);
  }

  /** Resolves with the exit status. */
  waitForExit(timeout) {
    return this.#process.waitForExit(timeout);
  }

  /** Stops the service if it is running, and removes its database and directory. */
  async dispose() {
    try {
      if (this.#process && !this.#process.exitStatus) await this.stop();
    } finally {
      await this.database.drop();
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}

/**
 * Returns a port that is free and that no other test process takes, even while the service on it is stopped. It is below the kernel's
 * ephemeral range, so that no outgoing connection takes it.
 */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const reservation = await reserve(port);
    if (!reservation) continue;
    if (await isFree(port)) return port;
    reservation.close();
  }
}

/** Reserves a port until this process ends: holds the UDP port of the same number, which no server of the tests uses. */
function reserve(port) {
  const socket = createSocket('udp4').unref();
  return new Promise((resolve) => {
    socket.once('error', () => (socket.close(), resolve(undefined))).bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(socket));
  });
}

async function isFree(port) {
  const probe = createServer();
  const free = await new Promise((resolve) => {
    probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => probe.close(resolve));
  return free;
}
