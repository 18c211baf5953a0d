// The cookies of production: `__Secure-` behind TLS, in chunks because the session is large, and a session that ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launchBrowser } from '../../../tests/e2e/browser.mjs';
import { Example } from './example.mjs';

/** How long a session lasts, in seconds. vaultcast ends it 15 seconds later, its clock tolerance. */
const SESSION_AGE = '5';

test('a chunked session in secure cookies signs the socket in, and its end closes the socket', async () => {
  const [example, browser] = await Promise.all([Example.start({ https: true, LARGE_SESSIONS: '1', SESSION_AGE }), launchBrowser()]);
  try {
    const olga = await example.signIn(browser, 'Olga');
    const names = (await olga.context.cookies()).map(({ name }) => name).filter((name) => name.includes('session-token'));
    assert(names.length > 1 && names.every((name) => /^__Secure-authjs\.session-token\.\d$/.test(name)), `${names}`);
    await olga.page.getByLabel('Name').fill('Secure');
    await olga.page.getByRole('button', { name: 'Create a vault' }).click();
    await olga.page.getByText('live', { exact: true }).waitFor();
    assert.match(olga.sockets.at(-1), /^wss:/);
    await olga.page.getByText('Your session has ended.').waitFor();
    await olga.page.getByRole('link', { name: 'Sign in again' }).click();
    await olga.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await olga.close();
  } catch (error) {
    console.error(example.output);
    throw error;
  } finally {
    await browser.close();
    await example.dispose();
  }
});
