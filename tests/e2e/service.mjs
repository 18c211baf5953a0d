// The real binary on a free port, with a directory and a database of its own. It can be stopped as an operator
// does (SIGTERM), killed as a power cut does, and started again on the same port and database.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { newDatabase } from './database.mjs';
import { Program } from './program.mjs';

const BINARY = path.resolve(
  process.env.VAULTCAST_BIN ?? fileURLToPath(new URL('../../target/debug/vaultcast', import.meta.url)),
);

export class Service {
  binary = BINARY;
  secret = 'a secret of the tests that is long enough to sign with';
  /** How often it has been started. */
  lives = 0;
  #program;
  #earlier = '';

  constructor(directory, port, command, settings) {
    const database = newDatabase(directory);
    Object.assign(this, { directory, database, port, command, settings, url: `http://127.0.0.1:${port}` });
  }

  /** Starts `vaultcast COMMAND`; `settings` are more environment variables. */
  static async start(command = 'serve', settings = {}) {
    const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-e2e-'));
    const service = new Service(directory, await freePort(), command, settings);
    try {
      await service.database.make();
      await service.resume();
    } catch (error) {
      await service.dispose();
      throw error;
    }
    return service;
  }

  /** Starts it again where it was stopped or killed, and waits until it is ready. */
  async resume() {
    this.launch();
    await this.isReady();
  }

  /** Starts it again, and waits for nothing. */
  launch() {
    assert(existsSync(BINARY), `there is no ${BINARY}: run \`cargo build\`, or set VAULTCAST_BIN`);
    this.#earlier = this.output;
    this.#program = this.#begin([this.command]);
    this.lives += 1;
  }

  /** Runs another command of the same binary to its end, with the same settings; what it says. */
  async run(...args) {
    const { code, output } = await this.outcome(...args);
    assert.equal(code, 0, `vaultcast ${args.join(' ')}: ${output}`);
    return output;
  }

  /** Likewise, whatever comes of it. */
  async outcome(...args) {
    const program = this.#begin(args);
    const { code } = await program.ended(60_000);
    return { code, output: program.output };
  }

  /** Runs a command that it must refuse; the one line with which it does. */
  async refused(args, settings = {}) {
    const program = this.#begin(args, settings);
    const { code } = await program.ended();
    assert.equal(code, 1, `vaultcast ${args.join(' ')}: ${program.output}`);
    assert.match(program.output, /^vaultcast: [^\n]+\n$/);
    return program.output;
  }

  /** `LIMITED` among the settings is for the shell's `ulimit`. */
  #begin(args, settings = {}) {
    const { LIMITED, ...env } = { ...this.#environment(), ...settings };
    const options = { cwd: this.directory, env };
    if (!LIMITED) return new Program(BINARY, args, options);
    return new Program('sh', ['-c', `ulimit ${LIMITED} && exec "$0" "$@"`, BINARY, ...args], options);
  }

  /** Nothing of the caller's own environment may configure the service, so it is given little of it. */
  #environment() {
    const { PATH, HOME, RUST_LOG = 'info', RUST_BACKTRACE = '1' } = process.env;
    return {
      PATH, HOME, RUST_LOG, RUST_BACKTRACE,
      PORT: String(this.port),
      DATABASE_URL: this.database.url,
      AUTH_SECRET: this.secret,
      VAULTCAST__ADMIN__BIND: '',
      VAULTCAST__LIMITS__MUTATIONS_PER_SECOND: '0',
      VAULTCAST__LIMITS__SOCKET_EVENTS_PER_SECOND: '0',
      ...this.settings,
    };
  }

  /** Nothing announces an open port, so this one wait asks again and again. */
  async isReady() {
    for (const deadline = Date.now() + 20_000; ; await pause(20)) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (this.#program.end || Date.now() > deadline) {
        await this.#program.stop('SIGKILL');
        throw new Error(`${BINARY} ${this.command} did not become ready; it said:\n${this.#program.output}`);
      }
    }
  }

  get pid() {
    return this.#program.pid;
  }

  /** Everything it has said, in all its lives. */
  get output() {
    return this.#earlier + (this.#program?.output ?? '');
  }

  says(pattern) {
    return this.#program.says(pattern);
  }

  /** Likewise, in what it says after so much of `output`. */
  saysAfter(length, pattern) {
    return this.#program.says(pattern, length - this.#earlier.length);
  }

  /** `kill -9`: it gets no chance to put anything in order. How it ended, which may have been before. */
  async kill() {
    return this.#program.stop('SIGKILL');
  }

  /** SIGTERM, which it must answer with an orderly end. */
  async stop() {
    const end = await this.#program.stop('SIGTERM');
    assert.deepEqual(end, { code: 0, signal: null }, `it did not end well; it said:\n${this.output}`);
  }

  /** Sends it a signal, and waits for nothing. */
  signal(signal) {
    process.kill(this.pid, signal);
  }

  /** How it ended, as soon as it has. */
  ended(deadline) {
    return this.#program.ended(deadline);
  }

  /** Ends it, if it still runs, and leaves nothing behind. */
  async dispose() {
    try {
      if (this.#program && !this.#program.end) await this.stop();
    } finally {
      await this.database.drop();
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}

/** A port below the range from which the kernel takes its own, so that no connection sits on it before the service does. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const probe = createServer();
    const free = await new Promise((resolve) => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}
