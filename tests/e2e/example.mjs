// The client in TypeScript that docs/ordering.md is about, made to run as a reader would: checked as strictly as the
// compiler can, and compiled to JavaScript.

import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Program } from './program.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const STRICTLY = ['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes', '--noImplicitOverride', '--noUnusedLocals'];
const FOR_NODE = ['--target', 'es2022', '--lib', 'es2022,dom', '--module', 'nodenext', '--skipLibCheck'];

export const example = () => readFile(here('../../examples/in-step.ts'), 'utf8');

/** What the example exports. */
export async function compiled() {
  const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-in-step-'));
  try {
    await copyFile(here('../../examples/in-step.ts'), path.join(directory, 'in-step.ts'));
    await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }');
    await symlink(here('node_modules'), path.join(directory, 'node_modules'));
    const compiler = new Program(process.execPath, ['node_modules/typescript/bin/tsc', ...STRICTLY, ...FOR_NODE, 'in-step.ts'], { cwd: directory });
    const { code } = await compiler.ended(60_000);
    assert.equal(code, 0, `it does not compile:\n${compiler.output}`);
    return await import(pathToFileURL(path.join(directory, 'in-step.js')).href);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
