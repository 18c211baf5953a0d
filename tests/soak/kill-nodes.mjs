// Kills nodes under load, many times, and reports what happened. See `kill-nodes` beside this file.

import { parseArgs } from 'node:util';
import { range } from '../e2e/fixtures.mjs';
import { underLoad } from '../e2e/nodes-under-load.mjs';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '50' } } });

const from = Date.now();
const { events, connections, recovered } = await underLoad(async (nodes, progress) => {
  for (const kill of range(1, Number(values.kills))) {
    await progress();
    await nodes.kill(kill % 3);
    if (kill % 10 === 0) console.log(`${kill} kills after ${seconds()} s`);
  }
  await progress();
});
console.log(`passed: ${values.kills} kills in ${seconds()} s, ${events} events, ${connections} connections of clients, ${recovered} of them recovered`);

function seconds() {
  return Math.round((Date.now() - from) / 1_000);
}
