// `node crash/main.mjs [--kills N] [--seed S]`: kills the service N times at random points of a stream of mutations, and exits with
// status 1 if anything contradicts its answers or its events. A large number of kills is split into several runs, each with its own
// database and seed. `tests/crash` prepares the machine and calls this program.

import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { onPostgres } from '../database.mjs';
import { CrashRun } from './crash-run.mjs';

/** The number of kills on one database. */
const KILLS_PER_RUN = 50;

/** The number of kills between two progress lines. */
const KILLS_PER_LINE = 10;

/** The number of contradictions that are printed per run. */
const PRINTED_CONTRADICTIONS = 10;

/** The number of repeated events that are printed per run. */
const PRINTED_REPETITIONS = 5;

/** The number of lines of the service's output that are printed after a contradiction. */
const PRINTED_OUTPUT_LINES = 40;

const { values: options } = parseArgs({ options: { kills: { type: 'string', default: String(KILLS_PER_RUN) }, seed: { type: 'string' } } });
const kills = parsePositive('kills', options.kills);
const firstSeed = options.seed === undefined ? 1 + Math.floor(Math.random() * 1e9) : parsePositive('seed', options.seed);

function parsePositive(name, text) {
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  console.error(`--${name} must be a positive integer: ${text}`);
  process.exit(2);
}

let currentRun;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    interrupted = true;
    await currentRun?.dispose().catch(() => {});
    process.exit(130);
  });
}

/** Executes one run and returns the number of contradictions. */
async function executeRun(seed, kills) {
  console.log(`\nseed ${seed}: ${kills} kills on ${onPostgres ? 'PostgreSQL' : 'SQLite'} (repeat with --seed ${seed} --kills ${kills})`);
  const run = (currentRun = await CrashRun.start(seed));
  try {
    await killRepeatedly(run, kills).catch((error) => run.contradictions.push(`the run failed: ${error.stack}`));
    // The errors of a run that is being disposed are meaningless.
    if (interrupted) await new Promise(() => {});
    const contradictions = [...new Set(run.contradictions)];
    for (const contradiction of contradictions.slice(0, PRINTED_CONTRADICTIONS)) console.log(`  CONTRADICTION ${contradiction}`);
    if (contradictions.length > PRINTED_CONTRADICTIONS) console.log(`  and ${contradictions.length - PRINTED_CONTRADICTIONS} more`);
    printRepeatedEvents(run);
    if (contradictions.length > 0) await keepEvidence(run, seed);
    return contradictions.length;
  } finally {
    addToTotals(run);
    await run.dispose();
    currentRun = undefined;
  }
}

async function killRepeatedly(run, kills) {
  const start = performance.now();
  for (let nextLine = KILLS_PER_LINE; run.kills < kills && run.contradictions.length === 0; ) {
    await run.killAndCheck(kills);
    if (run.kills < nextLine) continue;
    const seconds = Math.round((performance.now() - start) / 1000);
    console.log(`  ${run.kills} of ${kills} kills in ${seconds} s, ${run.workload.acknowledged} mutations acknowledged, ${run.statistics['events received']} events received`);
    nextLine += KILLS_PER_LINE;
  }
  await run.finish();
}

/** Prints which requests made the service send events again that the official client emitted twice. */
function printRepeatedEvents({ subscribers }) {
  const descriptions = subscribers.flatMap((subscriber) => subscriber.describeRepeatedEvents());
  for (const description of descriptions.slice(0, PRINTED_REPETITIONS)) console.log(`  ${description}`);
  if (descriptions.length > PRINTED_REPETITIONS) console.log(`  and ${descriptions.length - PRINTED_REPETITIONS} more`);
}

/** Prints the end of the service's output and copies its SQLite database. */
async function keepEvidence({ service }, seed) {
  console.log(`  the end of the service's output:\n${service.output.split('\n').slice(-PRINTED_OUTPUT_LINES).join('\n')}`);
  if (onPostgres) return;
  const copy = path.join(tmpdir(), `vaultcast-crash-${seed}`);
  await cp(service.directory, copy, { recursive: true });
  console.log(`  its database is kept in ${copy}`);
}

const totals = {};
const killCounts = {};

function addToTotals(run) {
  for (const [name, count] of Object.entries(run.statistics)) totals[name] = (totals[name] ?? 0) + count;
  for (const [name, count] of run.killCounts) killCounts[name] = (killCounts[name] ?? 0) + count;
}

let contradictions = 0;
for (let done = 0, number = 0; done < kills && contradictions === 0; done += KILLS_PER_RUN, number += 1) {
  contradictions += await executeRun(firstSeed + number, Math.min(KILLS_PER_RUN, kills - done));
}

const printTable = (rows) => Object.entries(rows).forEach(([name, count]) => console.log(`  ${name.padEnd(34)}${String(count).padStart(9)}`));
console.log('\ntotal');
printTable(totals);
console.log('kills by point');
printTable(killCounts);
console.log(contradictions === 0 ? 'no contradictions' : `contradictions: ${contradictions}`);
process.exit(contradictions === 0 ? 0 : 1);
