// Builds the two pages into `dist/`, which is committed and embedded in the binary: `cargo build` needs no Node.js.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The service that `npm run dev` shows: `vaultcast demo`, or VAULTCAST_URL. */
const service = process.env['VAULTCAST_URL'] ?? 'http://127.0.0.1:3000';
/** Its admin listener, for the operators' page. */
const admin = process.env['VAULTCAST_ADMIN_URL'] ?? 'http://127.0.0.1:9300';

const SERVICE_PATHS = ['/api', '/demo/sign-in', '/demo/sign-out', '/demo/token', '/page.json', '/socket.io'];
const ADMIN_PATHS = ['/actors', '/bounds', '/history', '/metrics', '/readyz'];

/** Returns proxies that keep the host, so that the service takes its own pages for such. */
const paths = (target: string, names: string[]) => names.map((name) => [name, { target, changeOrigin: false, ws: name === '/socket.io' }] as const);

export default defineConfig({
  root: here('.'),
  base: './', // the service writes its own prefix before the paths in a page (`server.base_path`)
  publicDir: false,
  resolve: {
    alias: [
      // The pages use the source of the published client, as it is.
      { find: /^vaultcast-client$/, replacement: here('../client/src/index.ts') },
      { find: /^vaultcast-client\/react$/, replacement: here('../client/src/react.ts') },
      { find: /^react$/, replacement: 'preact/compat' },
    ],
    dedupe: ['preact', 'socket.io-client'],
  },
  build: {
    outDir: here('dist'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: script or style
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      // `'use client'` of the published client is for servers.
      onLog: (level, log, handle) => log.code !== 'MODULE_LEVEL_DIRECTIVE' && handle(level, log),
      input: { index: here('index.html'), operators: here('operators.html') },
      output: { codeSplitting: { groups: [{ name: 'shared', test: /node_modules\/preact|\/src\/shared\// }] } },
    },
  },
  server: { proxy: Object.fromEntries([...paths(service, SERVICE_PATHS), ...paths(admin, ADMIN_PATHS)]) },
});
