// `node crash/main.mjs [--kills N] [--seed S]`: kills the service at random moments of a stream of mutations, so often,
// and exits with 1 when anything contradicts what was told. Many kills are several runs, each on a database of its own
// and with a seed of its own. `tests/crash` makes everything ready for it.

import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { onPostgres } from '../database.mjs';
import { Run } from './run.mjs';

/** So many kills on one database; then another one is begun. */
const A_RUN = 50;

/** So many kills from one line to the next. */
const A_LINE = 10;

/** So many contradictions are told of each run. */
const TOLD = 10;

/** So many lines of what the service said last, where anything contradicts. */
const LAST = 40;

const { values: options } = parseArgs({ options: { kills: { type: 'string', default: String(A_RUN) }, seed: { type: 'string' } } });
const kills = whole('kills', options.kills);
const seed = options.seed === undefined ? 1 + Math.floor(Math.random() * 1e9) : whole('seed', options.seed);

function whole(name, text) {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  console.error(`--${name} must be a whole number from 1 on: ${text}`);
  process.exit(2);
}

let run;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    interrupted = true;
    await run?.dispose().catch(() => {});
    process.exit(130);
  });
}

/** One run, from its seed to its judgement; how much contradicts. */
async function tell(seed, kills) {
  console.log(`\nseed ${seed}: ${kills} kills on ${onPostgres ? 'PostgreSQL' : 'SQLite'} (again: --seed ${seed} --kills ${kills})`);
  run = await Run.start(seed);
  try {
    await live(run, kills).catch((error) => run.odd.push(`the run could not go on: ${error.stack}`));
    // What comes of a run that is cleared away under its feet says nothing.
    if (interrupted) await new Promise(() => {});
    const odd = [...new Set(run.odd)];
    for (const what of odd.slice(0, TOLD)) console.log(`  CONTRADICTION ${what}`);
    if (odd.length > TOLD) console.log(`  and ${odd.length - TOLD} more`);
    if (odd.length > 0) await keep(run, seed);
    return odd.length;
  } finally {
    add(run);
    await run.dispose();
    run = undefined;
  }
}

async function live(run, kills) {
  const from = performance.now();
  for (let line = A_LINE; run.kills < kills && run.odd.length === 0; ) {
    await run.kill(kills);
    if (run.kills < line) continue;
    const seconds = Math.round((performance.now() - from) / 1000);
    console.log(`  ${run.kills} of ${kills} kills in ${seconds} s, ${run.authors.acknowledged} mutations acknowledged, ${run.figures['events shown']} events shown`);
    line += A_LINE;
  }
  await run.end();
}

/** What is worth a look afterwards. */
async function keep({ service }, seed) {
  console.log(`  the last that the service said:\n${service.output.split('\n').slice(-LAST).join('\n')}`);
  if (onPostgres) return;
  const kept = path.join(tmpdir(), `vaultcast-crash-${seed}`);
  await cp(service.directory, kept, { recursive: true });
  console.log(`  its database is kept in ${kept}`);
}

const figures = {};
const moments = {};

function add(run) {
  for (const [name, count] of Object.entries(run.figures)) figures[name] = (figures[name] ?? 0) + count;
  for (const [name, count] of run.moments) moments[name] = (moments[name] ?? 0) + count;
}

let contradictions = 0;
for (let done = 0, number = 0; done < kills && contradictions === 0; done += A_RUN, number += 1) {
  contradictions += await tell(seed + number, Math.min(A_RUN, kills - done));
}

const table = (rows) => Object.entries(rows).forEach(([name, count]) => console.log(`  ${name.padEnd(34)}${String(count).padStart(9)}`));
console.log('\nin all');
table(figures);
console.log('killed');
table(moments);
console.log(contradictions === 0 ? 'nothing contradicts what was told' : `contradictions: ${contradictions}`);
process.exit(contradictions === 0 ? 0 : 1);
