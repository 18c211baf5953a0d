// A sign-out with clients of Socket.IO 2 and sessions in the table of the application: a socket is closed when its session is looked up
// again, and its client is refused until the user has signed in.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { PAPER, range } from './fixtures.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { testOldClientsTogetherWith } from './old-client.mjs';
import { httpApi } from './source-api.mjs';

const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-application-'));
after(() => rm(directory, { recursive: true, force: true }));
const database = path.join(directory, 'application.db');

/** Executes statements in the application's database. */
async function execute(statements) {
  const sqlite = new ManagedProcess('sqlite3', ['-cmd', '.timeout 10000', database, statements]);
  assert.deepEqual(await sqlite.waitForExit(), { code: 0, signal: null }, sqlite.output);
}

await execute(`
  PRAGMA journal_mode = WAL;
  CREATE TABLE User (id TEXT PRIMARY KEY, name TEXT, email TEXT);
  CREATE TABLE Session (id TEXT PRIMARY KEY, sessionToken TEXT UNIQUE, userId TEXT, expires INTEGER);
`);

const EXPIRES = Date.now() + 3_600_000;

/** Stores the user with a session, which the user's requests send from now on. */
async function signIn(user) {
  const token = `session-of-${user.id}`;
  user.token = () => token;
  await execute(`
    INSERT OR IGNORE INTO User VALUES ('${user.id}', '${user.name}', '${user.email}');
    INSERT INTO Session VALUES ('${token}', '${token}', '${user.id}', ${EXPIRES});
  `);
}

const signOut = (user) => execute(`DELETE FROM Session WHERE userId = '${user.id}'`);

const testOldClientsTogether = testOldClientsTogetherWith({
  VAULTCAST__AUTH__STRATEGY: 'database',
  VAULTCAST__AUTH__DATABASE_URL: `sqlite://${database}`,
  VAULTCAST__AUTH__RECHECK: '1s',
  VAULTCAST__SOCKETIO__CONNECT_TIMEOUT: '2s',
});

testOldClientsTogether('clients of a signed-out user are closed and refused, and resume by themselves after the next sign-in', (contexts) =>
  Promise.all(
    contexts.map(async ({ newUser, newVault, openClient }) => {
      const [ana, ben] = [newUser('ana'), newUser('ben')];
      for (const user of [ana, ben]) await signIn(user);
      const vault = await newVault(ana, { viewer: [ben] });
      const client = openClient({ headers: { cookie: `next-auth.session-token=${ben.token()}` } });
      await client.nextEvent('connect');
      const { seq, epoch } = await client.join(vault);

      await signOut(ben);
      assert.match(await client.nextEvent('disconnect'), /^transport (close|error)$/);
      const { message, code } = await client.nextRefusal();
      assert.deepEqual([message, code], ['UNAUTHORIZED', 'UNAUTHORIZED']);
      await httpApi(ana).create(vault, PAPER);
      assert.deepEqual(client.eventsOf(vault), []);

      await signIn(ben);
      await client.nextEvent('connect');
      assert.equal((await client.join(vault, { since: seq, epoch })).replayed, 1);
      await client.waitForSeq(vault, (await httpApi(ana).create(vault, PAPER)).seq);
      assert.deepEqual(client.eventsOf(vault).map((event) => event.seq), range(seq + 1, seq + 2));
    }),
  ),
);
