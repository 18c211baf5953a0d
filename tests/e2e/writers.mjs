// Writers that do not give up: nodes and databases that fail meanwhile lose nothing that was acknowledged to them.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { PAPER } from './fixtures.mjs';

/** The time before a refused request is sent again, in milliseconds. */
const RETRY_DELAY = 20;

/** Creates sources one after the other until it is stopped, each until it is acknowledged, and returns their titles. */
export async function write(user, vault, writer, isStopped) {
  const acknowledged = [];
  for (let index = 0; !isStopped(); index++) {
    const title = `${writer}.${index}`;
    const headers = { 'idempotency-key': title };
    for (;;) {
      // A node that ends closes its connections. With the key, the request may be sent again.
      const answer = await user.post(`/api/vaults/${vault.id}/sources`, { ...PAPER, title }, headers).catch(() => undefined);
      if (answer?.status === 201) break;
      if (answer) assert([502, 503].includes(answer.status), `${answer.status} ${answer.text}`);
      await pause(RETRY_DELAY);
    }
    acknowledged.push(title);
  }
  return acknowledged;
}
