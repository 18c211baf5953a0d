// Fails if `dist/` is not what `npm run build` makes of the sources: builds into a temporary directory and compares byte by byte.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
const committed = path.join(root, 'dist');

/** Returns the contents of all files below a directory, by relative path. */
async function contents(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return new Map(await Promise.all(files.map(async (file) => [path.relative(directory, file), await readFile(file)])));
}

const directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-web-'));
try {
  await build({ configFile: path.join(root, 'vite.config.ts'), build: { outDir: directory, emptyOutDir: true }, logLevel: 'warn' });
  const [expected, actual] = await Promise.all([contents(directory), contents(committed)]);
  const names = [...new Set([...expected.keys(), ...actual.keys()])].sort();
  const differing = names.filter((name) => !expected.get(name)?.equals(actual.get(name) ?? Buffer.alloc(0)));
  if (differing.length > 0) {
    console.error(`web/dist is not current: run \`npm --prefix web run build\` and commit it. Differing files:\n${differing.join('\n')}`);
    process.exitCode = 1;
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
