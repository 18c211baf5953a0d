// Schemathesis derives requests, valid and invalid ones, from the OpenAPI document that the service serves, sends them, and checks
// the answers: statuses, schemas, headers, content types, and that invalid requests are refused and valid ones are not.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { onPostgres } from './database.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { PythonEnvironment, pythonFile } from './python-environment.mjs';
import { PAPER, range } from './fixtures.mjs';
import { TestServer } from './test-server.mjs';
import { TestUser } from './test-user.mjs';

const environment = new PythonEnvironment('schemathesis');
/** Requests are the same in every run with the same seed. */
const SEED = process.env.SCHEMATHESIS_SEED ?? '1';
const MINUTES = 60_000;

before(() => (onPostgres ? undefined : environment.install()), { timeout: 5 * MINUTES });

/** Creates what the requests name: vaults with a member and sources. */
async function createSubjects(ana) {
  const newVault = async (name) => (await ana.post('/api/vaults', { name })).expectStatus(201).body.id;
  const [vaults, deletable] = await Promise.all([5, 10].map((count) => Promise.all(range(1, count).map((n) => newVault(`vault ${n}`)))));
  // Enough members that some are left after the requests that remove one.
  const users = range(1, 12).map((n) => `member-${n}`);
  const sources = await Promise.all(
    vaults.map(async (vault) => {
      for (const userId of users) (await ana.post(`/api/vaults/${vault}/members`, { userId, role: 'viewer' })).expectStatus(201);
      const created = range(1, 20).map(() => ana.post(`/api/vaults/${vault}/sources`, PAPER));
      return (await Promise.all(created)).map((answer) => answer.expectStatus(201).body.id);
    }),
  );
  return { vaults, deletable, sources: sources.flat(), users };
}

const skip = onPostgres ? 'the database does not change the description' : false;
test('Schemathesis finds nothing wrong with the HTTP API', { timeout: 11 * MINUTES, skip }, async () => {
  const service = await TestServer.start();
  try {
    const ana = new TestUser(service, 'ana', 'Ana', 'ana@example.com');
    const subjects = await createSubjects(ana);
    const schemathesis = new ManagedProcess(
      environment.program('schemathesis'),
      [
        '--config-file', pythonFile('schemathesis.toml'),
        'run', `${service.url}/openapi.json`,
        '--header', `Authorization: Bearer ${ana.token()}`,
        '--seed', SEED,
        '--no-color',
      ],
      {
        cwd: service.directory,
        env: { ...process.env, SCHEMATHESIS_HOOKS: 'schemathesis_hooks', PYTHONPATH: pythonFile(''), SUBJECTS: JSON.stringify(subjects) },
      },
    );
    const { code } = await schemathesis.waitForExit(10 * MINUTES);
    assert.equal(code, 0, schemathesis.output);
  } finally {
    await service.dispose();
  }
});
