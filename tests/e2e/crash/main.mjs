// `node crash/main.mjs [--kills N] [--seed S]`: kills the service at random moments of a stream of mutations, so often,
// and exits with 1 when anything contradicts what was told. Many kills are several runs, each on a database of its own
// and with a seed of its own. `tests/crash` makes everything ready for it.

import { parseArgs } from 'node:util';
import { onPostgres } from '../database.mjs';
import { Run } from './run.mjs';

/** So many kills on one database; then another one is begun. */
const A_RUN = 50;

/** So many kills from one line to the next. */
const A_LINE = 10;

/** So many contradictions are told of each run. */
const TOLD = 10;

const { values: options } = parseArgs({ options: { kills: { type: 'string', default: String(A_RUN) }, seed: { type: 'string' } } });
const kills = whole('kills', options.kills);
const seed = options.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : whole('seed', options.seed);

function whole(name, text) {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  console.error(`--${name} must be a whole number: ${text}`);
  process.exit(2);
}

let run;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await run?.dispose().catch(() => {});
    process.exit(130);
  });
}

/** One run, from its seed to its judgement; what contradicts. */
async function tell(seed, kills) {
  const from = performance.now();
  console.log(`\nseed ${seed}: ${kills} kills on ${onPostgres ? 'PostgreSQL' : 'SQLite'} (again: --seed ${seed} --kills ${kills})`);
  run = await Run.start(seed);
  try {
    for (let line = A_LINE; run.kills < kills && run.odd.length === 0; ) {
      await run.kill(kills);
      if (run.kills < line) continue;
      const seconds = Math.round((performance.now() - from) / 1000);
      console.log(`  ${run.kills} of ${kills} kills in ${seconds} s, ${run.authors.acknowledged} mutations acknowledged, ${run.figures['events shown']} events shown`);
      line += A_LINE;
    }
    const odd = [...new Set(await run.end())];
    for (const what of odd.slice(0, TOLD)) console.log(`  CONTRADICTION ${what}`);
    if (odd.length > TOLD) console.log(`  and ${odd.length - TOLD} more`);
    return odd;
  } finally {
    add(run);
    await run.dispose();
    run = undefined;
  }
}

const figures = {};
const moments = {};

function add(run) {
  for (const [name, count] of Object.entries(run.figures)) figures[name] = (figures[name] ?? 0) + count;
  for (const [name, count] of run.moments) moments[name] = (moments[name] ?? 0) + count;
}

let contradictions = 0;
try {
  for (let done = 0, number = 0; done < kills && contradictions === 0; done += A_RUN, number += 1) {
    contradictions += (await tell(seed + number, Math.min(A_RUN, kills - done))).length;
  }
} catch (error) {
  console.log(`  the run could not go on: ${error.stack}`);
  contradictions += 1;
}

const table = (rows) => Object.entries(rows).forEach(([name, count]) => console.log(`  ${name.padEnd(34)}${String(count).padStart(9)}`));
console.log('\nin all');
table(figures);
console.log('killed');
table(moments);
console.log(contradictions === 0 ? 'nothing contradicts what was told' : `${contradictions} contradictions`);
process.exit(contradictions === 0 ? 0 : 1);
