// What the client makes of answers that are errors, of the service and of a proxy in front of it.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { Http } from '../dist/http.js';

/** Returns the error of a request that is answered with this status and body. */
async function errorOf(status, body) {
  const server = createServer((_, response) => response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' }).end(body));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const http = new Http(`http://127.0.0.1:${server.address().port}`, { get: () => undefined, renew: () => undefined }, 500);
    return await http.send('POST', '/', {}).then(() => assert.fail('it was answered with success'), (error) => error);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const UNAVAILABLE = JSON.stringify({ message: 'The service is unavailable, try again', code: 'UNAVAILABLE' });

for (const [name, status, body, expected] of [
  ['a refusal of the service is final', 403, JSON.stringify({ message: 'No', code: 'ACCESS_DENIED' }), { temporary: false, outcomeUnknown: false }],
  ['a limit is temporary', 429, JSON.stringify({ message: 'Slower', code: 'RATE_LIMITED' }), { temporary: true, outcomeUnknown: false }],
  ['a service that is unavailable has changed nothing', 503, UNAVAILABLE, { temporary: true, outcomeUnknown: false }],
  ['an outcome that the service does not know is unknown', 503, JSON.stringify({ code: 'UNAVAILABLE', details: { outcome: 'unknown' } }), { temporary: true, outcomeUnknown: true }],
  // As deploy/nginx.conf answers while vaultcast restarts: the connection may have been lost after the change was made.
  ['a proxy that cannot reach the service says nothing about the outcome', 502, UNAVAILABLE, { temporary: true, outcomeUnknown: true }],
  ['nor does a proxy that does not wait any longer', 504, UNAVAILABLE, { temporary: true, outcomeUnknown: true }],
  ['nor does an answer that is not JSON', 500, '<html>', { temporary: true, outcomeUnknown: true }],
]) {
  test(name, async () => {
    const error = await errorOf(status, body);
    assert.deepEqual({ temporary: error.temporary, outcomeUnknown: error.outcomeUnknown, retryAfter: error.retryAfter }, { ...expected, retryAfter: 1_000 });
  });
}
