// Compiles the unit tests for `node --test`.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mergeConfig } from 'vite';
import pages from './vite.config.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const names = readdirSync(here('test')).filter((name) => name.endsWith('.test.ts'));
const input = Object.fromEntries(names.map((name) => [name.slice(0, -3), here(`test/${name}`)]));
const { build: _, ...shared } = pages;

export default mergeConfig(shared, {
  build: {
    ssr: true,
    outDir: here('node_modules/.compiled-tests'),
    emptyOutDir: true,
    target: 'es2022',
    rolldownOptions: { input, output: { entryFileNames: '[name].js' } },
  },
});
