// Starts the demo of a binary in a root of an old Debian and asks whether it is ready. Run by `tests/packaging/portable`.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { SealedRoot } from './sealed-root.mjs';

const root = await SealedRoot.create(process.env.PORTABLE_ROOT);
try {
  copyFileSync(process.env.PORTABLE_BINARY, root.path('/usr/local/bin/vaultcast'));
  const demo = root.spawn(['/usr/local/bin/vaultcast', 'demo'], { directory: '/tmp' });
  await demo.waitForOutput(/vaultcast serves addr=127\.0\.0\.1:3000/);
  assert.equal((await root.request('http://127.0.0.1:3000/readyz')).status, 200);
  assert.deepEqual(await root.signal(demo, 'SIGTERM'), { code: 0, signal: null });
} finally {
  await root.close();
}
