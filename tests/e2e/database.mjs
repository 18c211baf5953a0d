// Where a service keeps its vaults: a SQLite file in its directory, or, where `TEST_POSTGRES_URL` names a server, a new
// database there, so that every story is told on both. A backup can be made of it and put back while nobody uses it.

import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { Program } from './program.mjs';

const SERVER = process.env.TEST_POSTGRES_URL;

export const onPostgres = Boolean(SERVER);

/** A database that does not exist yet. The first of a service makes it. */
export function newDatabase(directory) {
  return onPostgres ? new PostgresDatabase() : new SqliteFile(directory);
}

class SqliteFile {
  /** What PostgreSQL's own programs need to find the server. */
  environment = {};

  constructor(directory) {
    this.file = `${directory}/vaultcast.db`;
    this.url = `sqlite://${this.file}`;
  }

  async make() {}

  /** A script in which the database of the documentation is this one. */
  named(script) {
    return script;
  }

  async backUp() {
    await cp(this.file, `${this.file}.backup`);
  }

  async putBack() {
    await Promise.all(['-wal', '-shm'].map((rest) => rm(this.file + rest, { force: true })));
    await cp(`${this.file}.backup`, this.file);
  }

  async drop() {}
}

let databases = 0;

class PostgresDatabase {
  constructor() {
    this.name = `e2e_${process.pid}_${++databases}`;
    const url = Object.assign(new URL(SERVER), { pathname: this.name });
    Object.assign(this, { url: url.href, port: Number(url.port) });
    const { hostname: PGHOST, port: PGPORT, username: PGUSER } = url;
    this.environment = { PGHOST, PGPORT, PGUSER, PGPASSWORD: decodeURIComponent(url.password), PGDATABASE: 'postgres' };
  }

  named(script) {
    return script
      .replace('ALTER DATABASE vaultcast RENAME TO vaultcast_before', `ALTER DATABASE ${this.name} RENAME TO ${this.name}_backup`)
      .replace('--owner=vaultcast vaultcast', `--owner=${this.environment.PGUSER} ${this.name}`);
  }

  make() {
    return psql(`CREATE DATABASE ${this.name}`);
  }

  async backUp() {
    await psql(`DROP DATABASE IF EXISTS ${this.name}_backup`);
    await psql(`CREATE DATABASE ${this.name}_backup TEMPLATE ${this.name}`);
  }

  async putBack() {
    await psql(`DROP DATABASE ${this.name}`);
    await psql(`CREATE DATABASE ${this.name} TEMPLATE ${this.name}_backup`);
  }

  async drop() {
    for (const name of [this.name, `${this.name}_backup`]) await psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

/** One statement on a PostgreSQL; what it answers. */
export async function psql(sql, server = SERVER) {
  const { PATH, HOME } = process.env;
  const args = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--dbname', server, '--command', sql];
  const client = new Program('psql', args, { env: { PATH, HOME } });
  const { code } = await client.ended();
  assert.equal(code, 0, `${sql}: ${client.output}`);
  return client.output.trim();
}
