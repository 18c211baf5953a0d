// A reporter of Node's test runner that appends the names of failed tests to the file that `FAILED_TESTS` names, one a line. `tests/run`
// prints them at its end.

import { appendFileSync } from 'node:fs';
import path from 'node:path';

export default async function* (events) {
  for await (const { type, data } of events) {
    if (type !== 'test:fail' || data.todo !== undefined || data.skip !== undefined) continue;
    // A suite or a file fails because of its tests, which are named themselves.
    if (data.details.error?.failureType === 'subtestsFailed') continue;
    const file = path.relative(process.cwd(), data.file ?? '');
    if (process.env.FAILED_TESTS) appendFileSync(process.env.FAILED_TESTS, `${file}: ${data.name}\n`);
    yield '';
  }
}
