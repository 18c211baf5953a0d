// A PostgreSQL of a story's own, which can be killed as the power is cut: every process of it at once, and started again
// on the same data. Its programs are found by PATH.

import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { psql } from './database.mjs';
import { Program } from './program.mjs';

/** PostgreSQL does not run as root: there it is another user's. */
const USER = process.getuid() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};

function idOf(which) {
  return Number(execFileSync('id', [which, 'postgres']));
}

export class Postgres {
  #server;

  constructor(directory, port) {
    Object.assign(this, { directory, port, url: `postgres://postgres@127.0.0.1:${port}/postgres` });
  }

  static async start(port) {
    const postgres = new Postgres(await mkdtemp(path.join(tmpdir(), 'vaultcast-postgres-')), port);
    await chmod(postgres.directory, 0o755);
    if (USER.uid) await chown(postgres.directory, USER.uid, USER.gid);
    const made = postgres.#program('initdb', ['-D', postgres.#data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']);
    if ((await made.ended(60_000)).code !== 0) throw new Error(made.output);
    await postgres.resume();
    return postgres;
  }

  get #data() {
    return path.join(this.directory, 'data');
  }

  #program(name, args) {
    const { PATH } = process.env;
    return new Program(name, args, { cwd: this.directory, env: { PATH, LC_ALL: 'C' }, ...USER });
  }

  /** Starts it where it was killed; it takes connections when it has put its data in order, which is not waited for. */
  async resume() {
    await writeFile(path.join(this.#data, 'postgresql.auto.conf'), '');
    const settings = { port: this.port, listen_addresses: '127.0.0.1', unix_socket_directories: this.directory };
    const args = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
    this.#server = this.#program('postgres', ['-D', this.#data, ...args]);
    await this.#server.says(/ready to accept connections|starting up/);
  }

  /** From here on a commit is on its disk and never answered, as if it waited for a standby; until it is killed. */
  async stall() {
    await psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", this.url);
    await psql('SELECT pg_reload_conf()', this.url);
    const stalled = () => psql("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", this.url);
    while ((await stalled()) === '0') await pause(20);
  }

  /** `kill -9` of all of its processes; none of them can finish what it is doing. */
  async kill() {
    const { pid } = this.#server;
    const children = await childrenOf(pid);
    for (const one of [pid, ...children]) kill(one);
    await this.#server.ended();
    while ((await Promise.all(children.map(isAlive))).some(Boolean)) await pause(5);
  }

  async dispose() {
    if (!this.#server.end) await this.#server.stop('SIGQUIT');
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Kills it, unless it has ended by itself meanwhile, as those do whose parent is gone. */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** `pid (name) state parent …`, while there is such a process. */
async function stat(pid) {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

async function isAlive(pid) {
  const [state] = (await stat(pid)) ?? [];
  return state !== undefined && state !== 'Z';
}

async function childrenOf(parent) {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(pids.map(async (pid) => Number((await stat(pid))?.[1])));
  return pids.filter((_, index) => parents[index] === parent);
}
