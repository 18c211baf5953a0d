// The state of the connection in plain words, as a function of the snapshots of a vault.
import type { VaultSnapshot } from 'vaultcast-client';
import type { Tone } from '../../shared/Badge.tsx';

/**
 * - `connecting`: nothing is known yet.
 * - `live`: each event follows at once.
 * - `away`: the connection is lost; `at` is the last event that is known.
 * - `catching-up`: connected again; the events after `at` are on their way.
 * - `caught-up`: connected again, and nothing has happened since; `missed` events happened while away, null if a backup was restored.
 * - `signed-out`: the service refused the credential.
 */
export type Progress =
  | { phase: 'connecting' | 'live' | 'signed-out' }
  | { phase: 'away' | 'catching-up'; at: number; epoch: string }
  | { phase: 'caught-up'; at: number; missed: number | null };

/**
 * What decides: parts of a snapshot, and the last event of the vault when the connection came back. A recovered connection is live before
 * the missed events have arrived.
 */
export type ConnectionFacts = Pick<VaultSnapshot, 'status' | 'connection' | 'seq' | 'epoch'> & { head: number };

export const CONNECTING: Progress = { phase: 'connecting' };

/** Returns the progress after a snapshot; the same object if it did not change. */
export function advance(progress: Progress, { status, connection, seq, epoch, head }: ConnectionFacts): Progress {
  if (connection === 'unauthorized' || connection === 'closed') return progress.phase === 'signed-out' ? progress : { phase: 'signed-out' };
  if (seq < 0) return progress.phase === 'connecting' ? progress : CONNECTING;
  const isAway = progress.phase === 'away' || progress.phase === 'catching-up';
  if (status !== 'live' || (isAway && seq < head)) {
    const phase = connection === 'connected' ? 'catching-up' : 'away';
    if (isAway) return progress.phase === phase ? progress : { ...progress, phase };
    // The first listing is not a return.
    return progress.phase === 'connecting' ? progress : { phase, at: seq, epoch };
  }
  if (isAway) return { phase: 'caught-up', at: seq, missed: progress.epoch === epoch ? seq - progress.at : null };
  if (progress.phase === 'caught-up' && progress.at === seq) return progress;
  return progress.phase === 'live' ? progress : { phase: 'live' };
}

/** Returns the state in words, and its colour. `cutSeconds`: the user has cut the connection, for so many seconds more. */
export function describe(progress: Progress, seq: number, cutSeconds?: number): { tone: Tone; text: string } {
  if (cutSeconds !== undefined) return { tone: 'bad', text: `Disconnected by you, back in ${cutSeconds} s` };
  switch (progress.phase) {
    case 'connecting':
      return { tone: 'warn', text: 'Connecting…' };
    case 'live':
      return { tone: 'good', text: `Connected, up to date at ${seq}` };
    case 'away':
      return { tone: 'warn', text: 'Reconnecting…' };
    case 'catching-up':
      return { tone: 'warn', text: `Catching up after ${progress.at}…` };
    case 'caught-up':
      return { tone: 'good', text: `Caught up at ${progress.at}: ${missedEvents(progress.missed)}` };
    case 'signed-out':
      return { tone: 'bad', text: 'Signed out' };
  }
}

/** Returns what a screen reader announces when the phase changes. Numbers of events that follow are not announced. */
export function announcement(progress: Progress, isCut: boolean): string {
  if (isCut) return 'Disconnected';
  if (progress.phase === 'live') return 'Connected';
  return describe(progress, 0).text;
}

function missedEvents(missed: number | null): string {
  if (missed === null) return 'a backup was restored';
  if (missed === 0) return 'nothing happened while away';
  return `${missed} event${missed === 1 ? '' : 's'} while away`;
}
