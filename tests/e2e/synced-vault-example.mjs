// The TypeScript client that docs/ordering.md describes, built as a user would build it: type-checked with strict compiler
// options and compiled to JavaScript.

import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ManagedProcess } from './managed-process.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const EXAMPLE = here('../../examples/synced-vault.ts');
const STRICT_OPTIONS = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noImplicitOverride', '--noUnusedLocals'];
const NODE_OPTIONS = ['--target', 'es2022', '--lib', 'es2022,dom', '--module', 'nodenext', '--skipLibCheck'];

/** Reads the source text of the example. */
export const readExample = () => readFile(EXAMPLE, 'utf8');

/** Compiles the example and returns its exports. */
export async function compileExample() {
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-example-'));
  try {
    await copyFile(EXAMPLE, path.join(directory, 'synced-vault.ts'));
    await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }');
    await symlink(here('node_modules'), path.join(directory, 'node_modules'));
    const args = ['node_modules/typescript/bin/tsc', ...STRICT_OPTIONS, ...NODE_OPTIONS, 'synced-vault.ts'];
    const compiler = new ManagedProcess(process.execPath, args, { cwd: directory });
    const { code } = await compiler.waitForExit(180_000);
    assert.equal(code, 0, `the example does not compile:\n${compiler.output}`);
    return await import(pathToFileURL(path.join(directory, 'synced-vault.js')).href);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
