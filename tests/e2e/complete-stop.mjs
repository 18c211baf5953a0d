// What the log of a service says about its stop.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The log messages of an incomplete stop. They must be in docs/logs.md, so that a test fails after a change of their text. */
const STOP_PROBLEMS = ['server.drain_rate is too slow', 'server.shutdown_grace has passed', 'could not be stored', 'were not stored'];
const LOGS_PAGE = readFileSync(new URL('../../docs/logs.md', import.meta.url), 'utf8');
for (const message of STOP_PROBLEMS) assert(LOGS_PAGE.includes(message), `docs/logs.md has no message "${message}"`);

/** Asserts that the service, which has exited, stopped within its grace period and stored what clients are recovered from. */
export function assertCompleteStop(service) {
  for (const message of STOP_PROBLEMS) assert(!service.output.includes(message), `${message}; the last output:\n${service.output.split('\n').slice(-20).join('\n')}`);
}
