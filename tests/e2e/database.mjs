// The database of a service: a SQLite file in its directory or, where `TEST_POSTGRES_URL` names a server, a new PostgreSQL
// database. Every test runs unchanged on both. While no service uses it, a database can be backed up and restored.

import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { ManagedProcess } from './managed-process.mjs';

const POSTGRES_URL = process.env.TEST_POSTGRES_URL;

export const onPostgres = Boolean(POSTGRES_URL);

/** Returns a database that does not exist yet. The service creates the tables. */
export function newDatabase(directory) {
  return onPostgres ? new PostgresDatabase() : new SqliteDatabase(directory);
}

class SqliteDatabase {
  /** The environment variables with which the PostgreSQL tools find the server. */
  environment = {};

  constructor(directory) {
    this.file = `${directory}/vaultcast.db`;
    this.url = `sqlite://${this.file}`;
  }

  async create() {}

  /** Replaces the database name that the documentation uses in a script by this database's name. */
  withDatabaseName(script) {
    return script;
  }

  async backUp() {
    await cp(this.file, `${this.file}.backup`);
  }

  async restore() {
    await Promise.all(['-wal', '-shm'].map((suffix) => rm(this.file + suffix, { force: true })));
    await cp(`${this.file}.backup`, this.file);
  }

  async drop() {}
}

let databases = 0;

class PostgresDatabase {
  constructor() {
    this.name = `e2e_${process.pid}_${++databases}`;
    const url = Object.assign(new URL(POSTGRES_URL), { pathname: this.name });
    Object.assign(this, { url: url.href, port: Number(url.port) });
    const { hostname: PGHOST, port: PGPORT, username: PGUSER } = url;
    this.environment = { PGHOST, PGPORT, PGUSER, PGPASSWORD: decodeURIComponent(url.password), PGDATABASE: 'postgres' };
  }

  withDatabaseName(script) {
    return script
      .replace('ALTER DATABASE vaultcast RENAME TO vaultcast_before', `ALTER DATABASE ${this.name} RENAME TO ${this.name}_backup`)
      .replace('--owner=vaultcast vaultcast', `--owner=${this.environment.PGUSER} ${this.name}`);
  }

  create() {
    return psql(`CREATE DATABASE ${this.name}`);
  }

  async backUp() {
    await psql(`DROP DATABASE IF EXISTS ${this.name}_backup`);
    await psql(`CREATE DATABASE ${this.name}_backup TEMPLATE ${this.name}`);
  }

  async restore() {
    await psql(`DROP DATABASE ${this.name}`);
    await psql(`CREATE DATABASE ${this.name} TEMPLATE ${this.name}_backup`);
  }

  async drop() {
    for (const name of [this.name, `${this.name}_backup`]) await psql(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

/** Runs one statement on a PostgreSQL server and returns its output. */
export async function psql(sql, url = POSTGRES_URL) {
  const { PATH, HOME } = process.env;
  const args = ['--no-psqlrc', '--quiet', '--tuples-only', '--no-align', '--dbname', url, '--command', sql];
  const client = new ManagedProcess('psql', args, { env: { PATH, HOME } });
  const { code } = await client.waitForExit();
  assert.equal(code, 0, `${sql}: ${client.output}`);
  return client.output.trim();
}
