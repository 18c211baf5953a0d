// A root directory with processes, mounts and a network of its own, made of a tarball. A test may install packages in it, and the
// service listens on its usual ports, without an effect outside. Needs root.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { ManagedProcess } from '../e2e/managed-process.mjs';

const execute = promisify(execFile);

/** A `PATH` as a login of root has it. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What keeps the namespaces: it mounts the root in them, and sleeps. The test ends it with the process `unshare`. */
const KEEPER = `set -e
mount --bind "$1" "$1"
mkdir -p "$1/proc"
mount -t proc proc "$1/proc"
ip link set lo up
echo ready
exec sleep infinity`;

export class SealedRoot {
  #keeper;
  #init;

  /** @param {string} directory the root, as seen from outside */
  constructor(directory) {
    this.directory = directory;
  }

  /** Unpacks a tarball into a new root and starts its namespaces. */
  static async create(tarball) {
    const root = new SealedRoot(mkdtempSync(path.join(process.env.PACKAGING_DIR, 'root-')));
    await execute('tar', ['--extract', '--numeric-owner', '--file', tarball, '--directory', root.directory]);
    const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child=SIGKILL'];
    root.#keeper = new ManagedProcess('unshare', [...namespaces, 'sh', '-c', KEEPER, 'sh', root.directory]);
    await root.#keeper.waitForOutput(/^ready$/m);
    const { pid } = root.#keeper;
    root.#init = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim();
    return root;
  }

  /** The path of a file of this root, as seen from outside. */
  path(file) {
    return path.join(this.directory, file);
  }

  /** Reads a file of this root. */
  read(file) {
    return readFile(this.path(file), 'utf8');
  }

  /** The command line that enters the namespaces. */
  #enter(...command) {
    return ['nsenter', `--target=${this.#init}`, '--mount', '--pid', '--net', '--ipc', '--uts', ...command];
  }

  /** Changes mounts of this root: runs a command of the system outside in the namespaces. */
  async mount(...args) {
    const [program, ...rest] = this.#enter('mount', ...args);
    await execute(program, rest);
  }

  /** Starts a program of this root as a numeric user and group, with no environment but `env`. */
  spawn(command, { user = 0, group = 0, env = {}, directory = '/' } = {}) {
    const environment = Object.entries({ PATH, ...env }).map(([name, value]) => `${name}=${value}`);
    // Paths as seen by the keeper, whose mounts are in effect.
    const root = `/proc/${this.#init}/root${this.directory}`;
    const place = [`--root=${root}`, `--wd=${root}${directory}`, `--setuid=${user}`, `--setgid=${group}`];
    const [program, ...rest] = this.#enter(...place, ...command);
    return new ManagedProcess('env', ['--ignore-environment', ...environment, program, ...rest]);
  }

  /** The id of the process of a spawned program, as seen from outside: the only child of `nsenter`. */
  pidOf({ pid }) {
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  }

  /** Sends a signal to a spawned program and resolves with its exit status. */
  signal(started, signal) {
    process.kill(this.pidOf(started), signal);
    return started.waitForExit();
  }

  /** Runs a program of this root and resolves with its output; rejects unless it succeeds. */
  async run(command, options) {
    const started = this.spawn(command, options);
    const { code } = await started.waitForExit();
    if (code !== 0) throw new Error(`${command.join(' ')} failed (${code}):\n${started.output}`);
    return started.output.trim();
  }

  /** Runs a line of shell as root. */
  shell(line) {
    return this.run(['/bin/sh', '-ec', line], { env: { DEBIAN_FRONTEND: 'noninteractive' } });
  }

  /** Sends an HTTP request to a service of this root with curl, which is outside. Resolves with status and JSON body. */
  async request(url, { method = 'GET', token, body } = {}) {
    const headers = ['content-type: application/json', ...(token ? [`authorization: Bearer ${token}`] : [])];
    const [program, ...rest] = this.#enter(
      'curl', '--silent', '--show-error', '--noproxy', '*', '--max-time', '20', '--request', method, '--write-out', '\n%{http_code}',
      ...headers.flatMap((header) => ['--header', header]),
      ...(body === undefined ? [] : ['--data', JSON.stringify(body)]),
      url,
    );
    const { stdout } = await execute(program, rest);
    const [, text, status] = stdout.match(/^([^]*)\n(\d+)$/);
    return { status: Number(status), body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  /** Ends every process of this root and deletes it. */
  async close() {
    await this.#keeper?.stop('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}
