// Builds the two pages into `dist/`, which is committed and embedded in the binary: `cargo build` needs no Node.js.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The service that `npm run dev` shows: `vaultcast demo`, or VAULTCAST_URL. */
const service = process.env['VAULTCAST_URL'] ?? 'http://127.0.0.1:3000';
/** Its admin listener, for the operators' page. */
const admin = process.env['VAULTCAST_ADMIN_URL'] ?? 'http://127.0.0.1:9300';

export default defineConfig({
  root: here('.'),
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
  server: {
    proxy: {
      '/api': service,
      '/demo/sign-in': service,
      '/demo/sign-out': service,
      '/demo/token': service,
      '/page.json': service,
      '/socket.io': { target: service, ws: true },
      '/actors': admin,
      '/bounds': admin,
      '/history': admin,
      '/metrics': admin,
      '/readyz': admin,
    },
  },
});
