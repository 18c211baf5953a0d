// The part of a vault's journal that the page shows: pages of the journal and live events, merged by their number.
import type { Actor, JournalEvent, VaultEvents } from 'vaultcast-client';

/** How many events one request loads. */
export const PAGE_SIZE = 50;

export interface Timeline {
  epoch: string;
  /** Newest first. There may be a gap while a page is on its way. */
  events: readonly JournalEvent[];
  /** The number after which all events are loaded or kept: 0, or where a trimmed journal begins. Undefined while it is not known. */
  start: number | undefined;
}

export const EMPTY: Timeline = { epoch: '', events: [], start: undefined };

/** A request for the events after `since`, at most `limit`. */
export interface PageRequest {
  since: number;
  limit: number;
}

/** Returns the timeline with more events. Events of another history replace it. */
export function withEvents(timeline: Timeline, epoch: string, events: readonly JournalEvent[]): Timeline {
  const isSame = timeline.epoch === epoch;
  const known = new Map(isSame ? timeline.events.map((event) => [event.seq, event]) : []);
  for (const event of events) known.set(event.seq, event);
  const merged = [...known.values()].sort((a, b) => b.seq - a.seq);
  const start = isSame ? timeline.start : undefined;
  return { epoch, events: merged, start: merged.at(-1)?.seq === 1 ? 0 : start };
}

/** Returns the timeline of a journal that no longer has the events up to `start`. */
export function trimmedAt(timeline: Timeline, start: number): Timeline {
  return { ...timeline, start };
}

/** Returns the request for what is missing up to event `head`: the newest events at first, and later what a listing has skipped. */
export function missing({ epoch, events, start = 0 }: Timeline, head: Pick<Timeline, 'epoch'> & { seq: number }): PageRequest | undefined {
  if (head.seq <= start) return undefined;
  if (epoch !== head.epoch || events.length === 0) return { since: Math.max(start, head.seq - PAGE_SIZE), limit: PAGE_SIZE };
  let next = head.seq + 1;
  for (const { seq } of events) {
    if (seq < next - 1) return { since: Math.max(seq, next - 1 - PAGE_SIZE), limit: Math.min(PAGE_SIZE, next - 1 - seq) };
    next = seq;
  }
  return undefined;
}

/** Returns the request for the page before the oldest event; undefined if there is none. */
export function earlier({ events, start = 0 }: Timeline): PageRequest | undefined {
  const oldest = events.at(-1)?.seq;
  if (oldest === undefined || oldest <= start + 1) return undefined;
  const since = Math.max(start, oldest - 1 - PAGE_SIZE);
  return { since, limit: oldest - 1 - since };
}

/** Returns a live event in the form of the journal. */
export function journalEvent<Name extends keyof VaultEvents>(event: Name, payload: VaultEvents[Name]): JournalEvent {
  return { seq: payload.seq, event, payload } as JournalEvent;
}

/** The last change of a source. */
export interface LastChange {
  kind: 'added' | 'updated';
  actor: Actor;
  timestamp: string;
}

/** Returns the last change of each source that the timeline includes. */
export function lastChanges(events: readonly JournalEvent[]): Map<string, LastChange> {
  const changes = new Map<string, LastChange>();
  for (const { event, payload } of events) {
    if (event !== 'source:created' && event !== 'source:updated') continue;
    const { source, actor, timestamp } = payload;
    if (!changes.has(source.id)) changes.set(source.id, { kind: event === 'source:created' ? 'added' : 'updated', actor, timestamp });
  }
  return changes;
}

/** Returns the titles that the events of the timeline mention, so that a deletion can name its source. */
export function titles(events: readonly JournalEvent[]): Map<string, string> {
  const known = new Map<string, string>();
  for (const { event, payload } of events) {
    if (event !== 'source:created' && event !== 'source:updated') continue;
    if (!known.has(payload.source.id)) known.set(payload.source.id, payload.source.title);
  }
  return known;
}
