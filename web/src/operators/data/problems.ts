import { seconds, whole } from './format.ts';
import { boundId, recentHits, RECENT_MS, type Snapshot } from './snapshot.ts';
import type { Bound } from './types.ts';

/** Something that an operator should look at. */
export interface Problem {
  id: string;
  tone: 'bad' | 'warn';
  title: string;
  detail: string;
}

/** Reached in normal operation: an idle vault is unloaded, old events are trimmed, clients come back late. */
const NORMAL = new Set(['actors.vault_idle', 'journal.retain_events', 'journal.retain_for', 'socketio.recovery_window', 'socketio.ping_timeout']);

/** Covered by the problem that names slow readers. */
const SLOW_READERS = new Set(['actors.session_outbox', 'actors.session_outbox_bytes']);

const SLOW_COMMIT = 0.5;
const LONG_WAIT_MS = 5_000;
const LONG_MAILBOX_WAIT = 1;
const NEARLY_FULL = 0.9;
const QUEUE_FILLING = 0.8;

/** Returns what needs attention, the worst first. */
export function problems(snapshot: Snapshot): Problem[] {
  const found = [...ofProcess(snapshot), ...ofVaults(snapshot), ...ofReaders(snapshot), ...ofTimes(snapshot), ...ofBounds(snapshot)];
  return [...found.filter(({ tone }) => tone === 'bad'), ...found.filter(({ tone }) => tone === 'warn')];
}

function ofProcess({ health, service }: Snapshot): Problem[] {
  const found: Problem[] = [];
  if (service.stopping) {
    found.push({ id: 'stopping', tone: 'warn', title: 'The service is about to stop', detail: 'It drains: clients are moved elsewhere, and accepted mutations are committed.' });
  } else if (!health.ready) {
    found.push({ id: 'not-ready', tone: 'bad', title: `Not ready: ${health.reason}`, detail: 'Load balancers send no clients here until /readyz succeeds again. The log names the error.' });
  }
  for (const { thread, seconds: stalled } of service.stalledThreads) {
    found.push({ id: `stalled-${thread}`, tone: 'bad', title: `Thread “${thread}” is stalled`, detail: `It has made no progress for ${seconds(stalled)}. The vaults or sockets of this thread wait.` });
  }
  if (service.panics > 0) {
    found.push({ id: 'panics', tone: 'bad', title: `${plural(service.panics, 'panic')} since the start`, detail: 'Each is a defect and one line in the log. Report it.' });
  }
  return found;
}

function ofVaults({ actors: { vaults } }: Snapshot): Problem[] {
  const found: Problem[] = [];
  const share = ({ depth, capacity }: (typeof vaults)[number]) => depth / capacity;
  const filling = vaults.filter((vault) => share(vault) >= QUEUE_FILLING).sort((a, b) => share(b) - share(a));
  if (filling[0]) {
    const { vaultId, depth, capacity } = filling[0];
    const full = depth >= capacity;
    const others = filling.length > 1 ? `, and of ${plural(filling.length - 1, 'other vault')}` : '';
    found.push({
      id: 'queue',
      tone: full ? 'bad' : 'warn',
      title: `The queue of vault ${vaultId} is ${full ? 'full' : 'nearly full'}${others}`,
      detail: `${whole(depth)} of ${whole(capacity)} mutations wait (actors.vault_mailbox). Further ones are answered 503 VAULT_BUSY.`,
    });
  }
  const longest = Math.max(0, ...vaults.map(({ oldestWaitMs }) => oldestWaitMs));
  if (longest >= LONG_WAIT_MS) {
    found.push({ id: 'wait', tone: 'warn', title: `A mutation has waited for ${seconds(longest / 1000)}`, detail: 'Compare the commit latency: if it is high, the disk or the database is slow.' });
  }
  return found;
}

function ofReaders({ samples, at }: Snapshot): Problem[] {
  const recent = samples.filter(({ time }) => Date.parse(time) > at - RECENT_MS);
  const slow = recent.reduce((sum, sample) => sum + (sample.closesPerSecond['slow'] ?? 0) * sample.seconds, 0);
  if (Math.round(slow) === 0) return [];
  return [{ id: 'slow', tone: 'warn', title: `${plural(Math.round(slow), 'slow reader')} closed in the last minute`, detail: 'They reconnect and receive what they missed. A few are normal; many at once mean a vault with long bursts (actors.session_outbox).' }];
}

function ofTimes({ samples }: Snapshot): Problem[] {
  const last = samples.at(-1);
  const found: Problem[] = [];
  if (last?.commit && last.commit.p99 > SLOW_COMMIT) {
    found.push({ id: 'commit', tone: 'warn', title: `Commits are slow: p99 ${seconds(last.commit.p99)}`, detail: 'The disk or PostgreSQL limits the throughput.' });
  }
  for (const [actor, wait] of Object.entries(last?.mailboxWait ?? {})) {
    if (wait.p99 > LONG_MAILBOX_WAIT) {
      found.push({ id: `mailbox-${actor}`, tone: 'warn', title: `Messages wait long for the ${actor}: p99 ${seconds(wait.p99)}`, detail: actor === 'committer' ? 'The disk or PostgreSQL is slow.' : 'The threads are busy: too few cores for this load.' });
    }
  }
  return found;
}

function ofBounds(snapshot: Snapshot): Problem[] {
  const watched = snapshot.bounds.filter((bound) => !SLOW_READERS.has(boundId(bound)) && !NORMAL.has(boundId(bound)));
  return watched.flatMap((bound) => {
    const hits = recentHits(snapshot, bound);
    const name = bound.key ?? bound.what;
    if (hits > 0) {
      return [{ id: `hit-${name}`, tone: 'warn' as const, title: `${name} was reached ${times(hits)} in the last minute`, detail: `${capitalized(bound.what)}. Then: ${bound.outcome}.` }];
    }
    return isNearlyFull(bound) ? [{ id: `near-${name}`, tone: 'warn' as const, title: `${capitalized(bound.what)}: nearly at the bound`, detail: `${whole(bound.level!)} of ${whole(bound.value!)}. At the bound: ${bound.outcome}.` }] : [];
  });
}

function isNearlyFull({ key, value, level }: Bound): boolean {
  // Queues of vaults have a problem of their own, which names the vault.
  return key !== 'actors.vault_mailbox' && value !== null && value > 1 && level !== undefined && level >= NEARLY_FULL * value;
}

const times = (number: number) => (number === 1 ? 'once' : `${whole(number)} times`);
const plural = (number: number, noun: string) => `${whole(number)} ${noun}${number === 1 ? '' : 's'}`;
const capitalized = (text: string) => text[0]!.toUpperCase() + text.slice(1);
