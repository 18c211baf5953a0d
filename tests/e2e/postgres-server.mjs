// A PostgreSQL server of one test. `kill` ends all of its processes at once, like a power failure, and `restart` starts the
// server again on the same data; `stopBackends` and `stopAll` leave processes that answer nothing. The PostgreSQL programs are found through PATH.

import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { psql } from './database.mjs';
import { ManagedProcess } from './managed-process.mjs';

/** PostgreSQL refuses to run as root, so root starts it as the user `postgres`. */
const USER = process.getuid() === 0 ? { uid: postgresId('-u'), gid: postgresId('-g') } : {};

function postgresId(option) {
  return Number(execFileSync('id', [option, 'postgres']));
}

export class PostgresServer {
  #server;
  #stopped = [];

  constructor(directory, port) {
    Object.assign(this, { directory, port, url: `postgres://postgres@127.0.0.1:${port}/postgres` });
  }

  static async start(port) {
    const postgres = new PostgresServer(await mkdtemp(path.join(tmpdir(), 'vaultcast-postgres-')), port);
    await chmod(postgres.directory, 0o755);
    if (USER.uid) await chown(postgres.directory, USER.uid, USER.gid);
    const initdb = postgres.#spawn('initdb', ['-D', postgres.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']);
    if ((await initdb.waitForExit(180_000)).code !== 0) throw new Error(initdb.output);
    await postgres.restart();
    return postgres;
  }

  get #data() {
    return path.join(this.directory, 'data');
  }

  #spawn(program, args) {
    const { PATH } = process.env;
    return new ManagedProcess(program, args, { cwd: this.directory, env: { PATH, LC_ALL: 'C' }, ...USER });
  }

  /** Starts the server. It may still be recovering its data when this resolves, and accepts connections afterwards. */
  async restart() {
    await writeFile(path.join(this.#data, 'postgresql.auto.conf'), '');
    const settings = { port: this.port, listen_addresses: '127.0.0.1', unix_socket_directories: this.directory };
    const args = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    this.#server = this.#spawn('postgres', ['-D', this.#data, ...args]);
    await this.#server.waitForOutput(/ready to accept connections|starting up/);
  }

  /** Makes commits durable but leaves them unanswered until `kill`: each waits for a synchronous standby that does not exist. */
  async stallCommits() {
    await psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", this.url);
    await psql('SELECT pg_reload_conf()', this.url);
    const stalled = () => psql("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", this.url);
    while ((await stalled()) === '0') await pause(20);
  }

  /** Sends SIGKILL to all processes of the server and waits until they have ended. */
  async kill() {
    const { pid } = this.#server;
    const children = await childrenOf(pid);
    for (const id of [pid, ...children]) sendSignal(id, 'SIGKILL');
    await this.#server.waitForExit();
    while ((await Promise.all(children.map(isAlive))).some(Boolean)) await pause(5);
  }

  /** Ends all connections of clients, as a failover does. The server stays. */
  async resetConnections() {
    await psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()", this.url);
  }

  /** Stops the processes of the present connections, which stay open without an answer. */
  async stopBackends() {
    const backends = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    this.#stop((await psql(backends, this.url)).split('\n').map(Number));
  }

  /** Stops all processes of the server: new connections are not answered either. */
  async stopAll() {
    const { pid } = this.#server;
    this.#stop([pid, ...(await childrenOf(pid))]);
  }

  #stop(pids) {
    for (const pid of pids) sendSignal(pid, 'SIGSTOP');
    this.#stopped = pids;
  }

  /** Lets the stopped processes continue. */
  resume() {
    for (const pid of this.#stopped.splice(0)) sendSignal(pid, 'SIGCONT');
  }

  async dispose() {
    if (!this.#server.exitStatus) await this.#server.stop('SIGQUIT');
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Sends a signal to a process, which may have exited by itself. */
function sendSignal(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** Returns the fields of `/proc/PID/stat` after the process name: `[state, parent, …]`, or undefined without such a process. */
async function readStat(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

async function isAlive(pid) {
  const [state] = (await readStat(pid)) ?? [];
  return state !== undefined && state !== 'Z';
}

async function childrenOf(parent) {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(pids.map(async (pid) => Number((await readStat(pid))?.[1])));
  return pids.filter((_, index) => parents[index] === parent);
}
